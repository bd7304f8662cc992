/** A port that the agent holds, when what is behind it changes, falls silent or talks nonsense. */
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { openSerialLine } from '../../appliance/gate/serial-line.ts'
import { Dongle } from '../../host-agent/agent/dongle.ts'
import { openSerialPair } from '../../host-agent/cli/demo/serial-pair.ts'
import { ConnectionError } from '../../host-agent/client/errors.ts'
import { toBase64url } from '../../protocol/bytes.ts'
import { deviceSerial } from '../../protocol/identity/device-serial.ts'
import { encodeFrame, frameBuffer, HEAD, KIND, LINK_VERSION } from '../../protocol/link/frame.ts'
import { writeHello } from '../../protocol/link/hello.ts'
import { Link } from '../../protocol/link/link.ts'
import { temporaryDirectory } from '../support/appliance.ts'

const PIN = randomBytes(32)
const ECHOED = 'hello'

/** A device that sends back what it gets, and a dongle at the other end of its cable. */
async function cable(t: Test) {
  const directory = await temporaryDirectory()
  t.teardown(() => directory.remove())
  const pair = await openSerialPair({ dir: directory.path })
  t.teardown(() => pair.close())
  const device = new Link({ side: 'device', hello: { deviceId: toBase64url(PIN), state: 'locked' } })
  device.on('session', session => session.pipe(session))
  const line = openSerialLine(pair.device, { onPort: port => device.attach(port) })
  t.teardown(() => line.stop())
  const heard: string[] = []
  const waiting = new Set<() => void>()
  const tell = (what: string) => {
    heard.push(what)
    for (const resolve of waiting) resolve()
    waiting.clear()
  }
  const dongle = new Dongle(pair.host, null, {
    onHello: (dongle, restarted) => tell(`${restarted ? 'hello' : 'still'} ${dongle.state}`),
    onFailure: () => tell('failure'),
  })
  t.teardown(() => dongle.close())
  const until = async (what: string) => {
    while (!heard.includes(what)) await new Promise<void>(resolve => waiting.add(resolve))
    heard.splice(0, heard.indexOf(what) + 1)
  }
  return { pair, device, line, dongle, until }
}

async function echoes(dongle: Dongle): Promise<boolean> {
  const session = await dongle.open()
  session.write(ECHOED)
  const [chunk] = await once(session, 'data')
  session.destroy()
  return chunk.toString() === ECHOED
}

t.test('When the device greets, then it is known by what it says, and its changes are told', async t => {
  const { device, dongle, until } = await cable(t)
  t.match(await dongle.describe(), { serial: null, state: null, proved: null })
  await until('hello locked')
  t.match(await dongle.describe(), { serial: deviceSerial(PIN), state: 'locked', proved: null })
  t.ok(await echoes(dongle))
  device.announce({ state: 'operational' })
  await until('still operational')

  device.announce({ deviceId: 'not a pin' })
  await until('still operational')
  t.equal(dongle.device, null)
  t.equal(dongle.serial, null)
})

t.test(
  'When the device falls silent, then its port is opened anew, and what was proved has to be proved again',
  async t => {
    const { pair, device, line, dongle, until } = await cable(t)
    await until('hello locked')
    dongle.proved = true
    await dongle.check(2000)
    t.equal(dongle.proved, true, 'it answers')

    device.detach('it hangs')
    await dongle.check(200)
    t.equal(dongle.proved, null)
    t.match(await dongle.describe(), {
      state: null,
      problem: /^no appliance answers on /,
      hint: /pull it and plug/,
    })
    await t.rejects(dongle.open(), { code: 'unreachable' })
    await line.stop()
    const next = openSerialLine(pair.device, { onPort: port => device.attach(port) })
    t.teardown(() => next.stop())
    await until('hello locked')
    t.ok(await echoes(dongle))
  },
)

t.test('When it did not prove to be the device that it claims to be, then nobody is led to it', async t => {
  const { dongle, until } = await cable(t)
  await until('hello locked')
  dongle.proved = false
  dongle.fault = new ConnectionError('device-mismatch', 'another one')
  await t.rejects(dongle.open(), { code: 'device-mismatch' })
  t.match(await dongle.describe(), { proved: false, problem: 'another one' })
})

t.test('When other programs have written to the port before, then the greeting gets through', async t => {
  const directory = await temporaryDirectory()
  t.teardown(() => directory.remove())
  const pair = await openSerialPair({ dir: directory.path })
  t.teardown(() => pair.close())
  const { SerialPort } = await import('serialport')
  // what ModemManager asks a new port, and half of a frame
  const noise = ['AT\r', 'AT+GCAP\r', 'ATI\r', 'AT+CPIN?\r', '\x00\x78\xf0\x7e', randomBytes(3000)]
  const device = new Link({ side: 'device', hello: { deviceId: toBase64url(PIN), state: 'locked' } })
  device.on('session', session => session.pipe(session))
  const line = openSerialLine(pair.device, { onPort: port => device.attach(port) })
  t.teardown(() => line.stop())
  const prober = new SerialPort({ path: pair.host, baudRate: 115_200, lock: false })
  await once(prober, 'open')
  for (const each of noise) prober.write(each)
  await sleep(50)
  await new Promise(resolve => prober.close(resolve))
  const dongle = new Dongle(pair.host, null, { onHello: () => {}, onFailure: () => {} })
  t.teardown(() => dongle.close())
  t.ok(await echoes(dongle))
  t.ok(device.counters.noiseBytes > 3000, 'it was counted')
})

t.test('When the device speaks another version, then that is what is said', async t => {
  const directory = await temporaryDirectory()
  t.teardown(() => directory.remove())
  const pair = await openSerialPair({ dir: directory.path })
  t.teardown(() => pair.close())
  const raw = frameBuffer()
  const hello = {
    version: LINK_VERSION,
    side: 'device' as const,
    epoch: 7,
    heard: 0,
    deviceId: 'x',
    state: 'locked',
  }
  const length = writeHello(hello, raw, HEAD)
  raw[HEAD] = LINK_VERSION + 1
  const frame = Buffer.alloc(200)
  const end = encodeFrame(KIND.HELLO, 0, raw, length, frame, 0)
  const line = openSerialLine(pair.device, {
    onPort: port => port.on('data', () => port.write(frame.subarray(0, end))),
  })
  t.teardown(() => line.stop())
  const dongle = new Dongle(pair.host, null, { onHello: () => {}, onFailure: () => {} })
  t.teardown(() => dongle.close())
  await t.rejects(dongle.open(), {
    message: /^the device on \S+ speaks another version of the link$/,
    hint: /same release/,
  })
})
