/** Hotplug on a machine that the test owns: what is told, when, and how often the terminals are listed for it. */
import fc from 'fast-check'
import t from 'tap'
import { POLL_MS, SLOW_MS, type UsbWatchOptions, watchUsb } from '../../host-agent/agent/hotplug.ts'
import type { DonglePort } from '../../host-agent/client/usb/ports.ts'
import { Machine, settle } from './machine.ts'
import { ONE, TWO } from './recorded.ts'

/** Starts a watch, and notes each change as `serial=path …`. */
async function watch(machine: Machine, more: Partial<UsbWatchOptions> = {}) {
  const told: string[] = []
  const failures: string[] = []
  const watching = watchUsb({
    ...machine.watched,
    onChange: (ports: DonglePort[]) =>
      told.push(ports.map(({ serial, path }) => `${serial}=${path}`).join(' ')),
    onFailure: error => failures.push(error.message),
    ...more,
  })
  await settle()
  return { told, failures, watching }
}

t.test('When the watch starts, then what is plugged in already is told at once', async t => {
  const machine = new Machine()
  machine.plug(ONE, '/dev/ttyACM0', 0)
  const { told, watching } = await watch(machine)
  t.strictSame(told, [`${ONE}=/dev/ttyACM0`])
  t.strictSame([...machine.listeners], ['connect', 'disconnect'])
  await watching.stop()
})

t.test('When a dongle is plugged in, then it is told as soon as it has a terminal', async t => {
  const machine = new Machine()
  const { told, watching } = await watch(machine)
  t.strictSame(told, [''])
  await machine.time.advance(700)
  machine.plug(ONE, '/dev/ttyACM0', 200)
  await machine.time.advance(199)
  t.strictSame(told, [''], 'nothing to open yet')
  await machine.time.advance(1)
  t.strictSame(told, [''], 'there, but nobody has looked')
  await machine.time.advance(50)
  t.strictSame(told, ['', `${ONE}=/dev/ttyACM0`])
  t.strictSame(machine.lists.map(at => at - 700).slice(-7), [0, 30, 60, 90, 120, 180, 250])
  const lists = machine.lists.length
  await machine.time.advance(SLOW_MS - 1000)
  t.equal(machine.lists.length, lists, 'and then left alone')

  machine.plug(TWO, '/dev/ttyACM1', 40)
  await machine.time.advance(100)
  machine.unplug(ONE)
  await settle()
  t.strictSame(told.slice(2), [`${ONE}=/dev/ttyACM0 ${TWO}=/dev/ttyACM1`, `${TWO}=/dev/ttyACM1`])
  await watching.stop()
})

t.test('When a dongle comes just before anybody listens, then it is waited for as well', async t => {
  const machine = new Machine()
  const bus = await machine.watched.bus!()
  const { getDevices } = bus
  bus.getDevices = async () => {
    const devices = await getDevices()
    bus.getDevices = getDevices
    machine.plug(ONE, '/dev/ttyACM0', 50)
    return devices
  }
  const { told, watching } = await watch(machine, { bus: async () => bus })
  await machine.time.advance(100)
  t.strictSame(told, ['', `${ONE}=/dev/ttyACM0`])
  await watching.stop()
})

t.test('When a dongle is replugged between two looks, then it is told again', async t => {
  const machine = new Machine()
  machine.plug(ONE, '/dev/ttyACM0', 0)
  const { told, watching } = await watch(machine)
  machine.unplug(ONE)
  machine.plug(ONE, '/dev/ttyACM0', 0)
  await settle()
  t.strictSame(told, [`${ONE}=/dev/ttyACM0`, `${ONE}=/dev/ttyACM0`])
  await machine.time.advance(60_000)
  t.equal(told.length, 2, 'once')
  await watching.stop()
})

t.test('When one dongle takes the place of another, then their serial numbers tell them apart', async t => {
  const machine = new Machine()
  machine.plug(ONE, '/dev/ttyACM0', 0)
  const { told, watching } = await watch(machine)
  // the kernel has not removed the old terminal yet: their number agrees, they do not
  const old = machine.ports.get(ONE)!
  machine.unplug(ONE)
  machine.ports.set(ONE, old)
  machine.plug(TWO, '/dev/ttyACM0', 100)
  await machine.time.advance(80)
  machine.ports.delete(ONE)
  await machine.time.advance(1000)
  t.equal(told.at(-1), `${TWO}=/dev/ttyACM0`)
  await watching.stop()
})

t.test('When many events come at once, then lists are never under way together, and few', async t => {
  const machine = new Machine()
  const { told, watching } = await watch(machine)
  const before = machine.lists.length
  for (let i = 0; i < 500; i++) {
    machine.plug(ONE, '/dev/ttyACM0', 0)
    watching.refresh()
    if (i < 499) machine.unplug(ONE)
  }
  await settle()
  t.equal(machine.mostAtOnce, 1)
  t.ok(machine.lists.length - before <= 2, `${machine.lists.length - before} lists`)
  t.equal(told.at(-1), `${ONE}=/dev/ttyACM0`)
  await watching.stop()
})

t.test('When other devices come and go, then nothing is listed for them', async t => {
  const machine = new Machine()
  const { told, watching } = await watch(machine)
  const before = machine.lists.length
  for (let i = 0; i < 10; i++) {
    machine.plug('mouse', '', null, { vendorId: 0x046d, productId: 0xc077 })
    machine.unplug('mouse')
  }
  await settle()
  t.equal(machine.lists.length, before)
  t.strictSame(told, [''])
  await watching.stop()
})

t.test(
  'When events were lost over a suspend, then the slow look finds out, or a refresh at once',
  async t => {
    const machine = new Machine()
    const { told, watching } = await watch(machine)
    machine.deaf = true
    machine.plug(ONE, '/dev/ttyACM0', 0)
    await machine.time.advance(SLOW_MS)
    t.equal(told.at(-1), `${ONE}=/dev/ttyACM0`)
    machine.unplug(ONE)
    watching.refresh()
    await settle()
    t.equal(told.at(-1), '')
    await watching.stop()
  },
)

t.test('When a device never gets a terminal, then it is waited for 5 s, and costs little later', async t => {
  const machine = new Machine()
  const { told, watching } = await watch(machine)
  await machine.time.advance(1)
  machine.plug(ONE, '/dev/ttyACM0', null)
  await machine.time.advance(5000)
  t.equal(machine.lists.length, 17)
  const lists = machine.lists.length
  await machine.time.advance(10 * SLOW_MS)
  t.equal(machine.lists.length - lists, 10, 'one for each slow look')
  t.strictSame(told, [''])
  await watching.stop()
})

t.test('When there is no bus, then terminals are listed each second; when it comes, it is heard', async t => {
  const machine = new Machine()
  machine.hasBus = false
  const { told, watching } = await watch(machine)
  t.strictSame([...machine.listeners], [], 'nobody listens to what is not there')
  machine.plug(ONE, '/dev/ttyACM0', 0)
  await machine.time.advance(POLL_MS)
  t.strictSame(told, ['', `${ONE}=/dev/ttyACM0`])
  machine.hasBus = true
  await machine.time.advance(POLL_MS)
  t.strictSame([...machine.listeners], ['connect', 'disconnect'])
  machine.unplug(ONE)
  await settle()
  t.equal(told.at(-1), '')
  await watching.stop()

  const without = await watch(machine, { bus: () => Promise.reject(new Error('no such module')) })
  t.strictSame(without.told, [''], 'a machine that the package was not built for')
  await without.watching.stop()
})

t.test(
  'When terminals cannot be listed, then that is told once, and nothing is taken for unplugged',
  async t => {
    const machine = new Machine()
    machine.plug(ONE, '/dev/ttyACM0', 0)
    const { told, failures, watching } = await watch(machine)
    machine.listFailure = new Error('udevadm is not here')
    watching.refresh()
    await machine.time.advance(20_000)
    t.strictSame([told.length, failures], [1, ['udevadm is not here']])
    machine.listFailure = null
    machine.unplug(ONE)
    await machine.time.advance(SLOW_MS)
    t.equal(told.at(-1), '')
    await watching.stop()
  },
)

t.test('When the watch is stopped, then nothing is left of it, wherever it was', async t => {
  // after each of these steps of the beginning
  for (let steps = 0; steps < 12; steps++) {
    const machine = new Machine()
    machine.plug(ONE, '/dev/ttyACM0', null)
    const told: number[] = []
    const watching = watchUsb({ ...machine.watched, onChange: ports => told.push(ports.length) })
    for (let step = 0; step < steps; step++) await new Promise(resolve => setImmediate(resolve))
    await watching.stop()
    const [before, lists] = [told.length, machine.lists.length]
    t.strictSame([...machine.listeners], [])
    t.equal(machine.time.waiting.size, 0)
    machine.unplug(ONE)
    watching.refresh()
    await machine.time.advance(20_000)
    t.strictSame([told.length, machine.lists.length], [before, lists])
    await watching.stop()
  }
})

t.test(
  'When anything is plugged, pulled and lost, then soon after it is quiet the truth is told',
  async () => {
    const step = fc.record({
      what: fc.constantFrom('plug', 'pull', 'deaf', 'hearing', 'refresh', 'no bus', 'bus'),
      serial: fc.constantFrom(ONE, TWO),
      path: fc.constantFrom('/dev/ttyACM0', '/dev/ttyACM1'),
      terminalAfter: fc.integer({ min: 0, max: 900 }),
      pause: fc.integer({ min: 0, max: 1500 }),
    })
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 12 }), async steps => {
        const machine = new Machine()
        const { told, watching } = await watch(machine)
        for (const { what, serial, path, terminalAfter, pause } of steps) {
          if (what === 'plug' && !machine.devices.has(serial)) machine.plug(serial, path, terminalAfter)
          if (what === 'pull') machine.unplug(serial)
          if (what === 'deaf' || what === 'hearing') machine.deaf = what === 'deaf'
          if (what === 'bus' || what === 'no bus') machine.hasBus = what === 'bus'
          if (what === 'refresh') watching.refresh()
          await machine.time.advance(pause)
        }
        await machine.time.advance(SLOW_MS + 1000)
        const truth = [...machine.ports.values()].sort((a, b) => a.path.localeCompare(b.path))
        await watching.stop()
        return (
          machine.mostAtOnce === 1 &&
          told.at(-1) === truth.map(({ serial, path }) => `${serial}=${path}`).join(' ')
        )
      }),
      { numRuns: 60 },
    )
  },
)
