/** Finding devices on a LAN where anybody may announce anything. */
import { BlockList } from 'node:net'
import { networkInterfaces } from 'node:os'
import { setTimeout as sleep } from 'node:timers/promises'
import fc from 'fast-check'
import t from 'tap'
import { startAnnouncing } from '../../appliance/gate/announce.ts'
import { Finds, type ResponsePacket, readAnnouncement } from '../../host-agent/client/announcement.ts'
import {
  type BrowseOptions,
  browse,
  type FoundDevice,
  lanAddresses,
} from '../../host-agent/client/discovery.ts'
import { isDeviceSerial } from '../../protocol/identity/device-serial.ts'
import { Peer, privatePort, type Record, writeResponse } from './dns.ts'

const SERIAL = '0a1b2c3d4e5f6071'
const SERVICE = '_claviger._tcp.local'

/** What a device, or somebody who plays one, announces. */
function records(serial: string, address = '127.0.0.1', port = 8443, name = `claviger-${serial}`): Record[] {
  return [
    { name: SERVICE, type: 'PTR', data: `${name}.${SERVICE}` },
    { name: `${name}.${SERVICE}`, type: 'SRV', data: { port, target: `${name}.local` } },
    { name: `${name}.${SERVICE}`, type: 'TXT', data: [`id=${serial}`] },
    { name: `${name}.local`, type: 'A', data: address },
  ]
}
const serialOf = (number: number) => number.toString(16).padStart(16, '0')

const near = new BlockList()
near.addSubnet('127.0.0.0', 8)
near.addSubnet('192.0.2.0', 24)
near.addSubnet('fd00::', 64, 'ipv6')

/** A decoded packet, as the package gives it. */
const packet = (all: Record[]): ResponsePacket => ({
  answers: all.map(record => ({
    ...record,
    data: record.type === 'TXT' ? (record.data as string[]).map(text => Buffer.from(text)) : record.data,
  })),
})

/** Browses the loopback until the test says so. */
function start(t: Pick<typeof t_, 'teardown'>, more: BrowseOptions = {}) {
  const udpPort = privatePort()
  const end = new AbortController()
  const found: FoundDevice[] = []
  const failures: Error[] = []
  const browsing = browse({
    signal: end.signal,
    interfaces: ['lo'],
    udpPort,
    onFound: device => found.push(device),
    onFailure: error => failures.push(error),
    ...more,
  })
  const stop = () => {
    end.abort()
    return browsing
  }
  t.teardown(async () => {
    await stop()
    if (failures.length > 0) throw failures[0]
  })
  return { udpPort, found, stop }
}
const t_ = t

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await sleep(5)
}

t.test('When a device announces itself, then it is found, asked for or not, and where it is', async t => {
  const { udpPort, found, stop } = start(t)
  const announcing = startAnnouncing({ port: 8443, serial: SERIAL, interfaces: ['lo'], udpPort })
  t.teardown(announcing.stop)
  await until(() => found.length > 0)
  t.strictSame(found, [{ serial: SERIAL, addresses: ['127.0.0.1'], port: 8443 }])
  t.strictSame(await stop(), found)

  // it said its part already: now it is asked
  const later = await browse({
    interfaces: ['lo'],
    udpPort,
    timeoutMs: 60_000,
    signal: AbortSignal.timeout(1500),
  })
  t.strictSame(later, found)
  t.strictSame(lanAddresses(SERIAL, later), ['https://127.0.0.1:8443'])
  t.strictSame(lanAddresses(serialOf(1), later), [])
})

t.test(
  'When nobody answers, nothing is to be asked, or the time is over, then the list is empty',
  async t => {
    const udpPort = privatePort()
    t.strictSame(await browse({ interfaces: ['lo'], udpPort, timeoutMs: 50 }), [])
    t.strictSame(await browse({ interfaces: [], udpPort, timeoutMs: 50 }), [])
    t.strictSame(await browse({ interfaces: ['lo'], udpPort, signal: AbortSignal.abort() }), [])
    const nowhere = { lo: [{ ...networkInterfaces().lo![0]!, address: '192.0.2.199' }] }
    const failures: Error[] = []
    const found = await browse({
      interfaces: ['lo'],
      udpPort,
      timeoutMs: 200,
      list: () => nowhere,
      onFailure: error => failures.push(error),
    })
    t.strictSame(found, [], 'an address that is not here any more')
  },
)

t.test(
  'When somebody floods the LAN with made-up devices, then the wanted one is found, and little is kept',
  async t => {
    const any = start(t)
    const wanted = start(t, { serials: [SERIAL] })
    for (const { udpPort, found, stop } of [any, wanted]) {
      const peer = await Peer.on(udpPort)
      t.teardown(() => peer.close())
      for (let i = 0; i < 150; i++) await peer.send(writeResponse(records(serialOf(i))))
      for (let i = 0; i < 600; i++) await peer.send(Buffer.alloc(60_000, 0xc0))
      // what a second may bring is used up; the device's turn comes
      while (!found.some(device => device.serial === SERIAL) && found.length < 64) {
        await peer.send(writeResponse(records(SERIAL)))
        await sleep(50)
      }
      t.ok((await stop()).length <= 64)
    }
    t.equal(any.found.length, 64)
    t.strictSame(wanted.found, [{ serial: SERIAL, addresses: ['127.0.0.1'], port: 8443 }])
  },
)

t.test('When an answer does not come from the port of multicast DNS, then it is none', async t => {
  const { udpPort, found } = start(t)
  const peer = await Peer.on(udpPort)
  const stranger = await Peer.on(udpPort, '127.0.0.1', false)
  t.teardown(() => Promise.all([peer.close(), stranger.close()]))
  for (let i = 0; i < 3; i++) await stranger.send(writeResponse(records(serialOf(1))))
  while (found.length === 0) {
    await peer.send(writeResponse(records(serialOf(2))))
    await sleep(20)
  }
  t.match(found, [{ serial: serialOf(2) }])
  t.equal(found.length, 1)
})

t.test('When texts are made for a terminal, too long, or torn, then none of them is ever told', async t => {
  const { udpPort, found, stop } = start(t)
  const peer = await Peer.on(udpPort)
  t.teardown(() => peer.close())
  const sequence = '\x1b]0;pwned\x07'
  const good = writeResponse(records(SERIAL, '127.0.0.1', 8443, `${sequence} till`))
  const hostile = [
    writeResponse(records(`${SERIAL}${sequence}`)),
    writeResponse(records(sequence)),
    writeResponse([...records(SERIAL.toUpperCase()), ...records(`${SERIAL}0`)]),
    writeResponse(records(serialOf(3), '8.8.8.8')),
    writeResponse(records(serialOf(4), '127.0.0.1', 0)),
    writeResponse(records(serialOf(5)).slice(0, 3)),
    writeResponse(records(serialOf(6)).slice(1, 2)),
    writeResponse(records(serialOf(7)).map(record => ({ ...record, name: `x.${record.name}.example` }))),
    ...Array.from({ length: good.length }, (_, length) => good.subarray(0, length)),
  ]
  for (const bytes of hostile) await peer.send(bytes)
  await sleep(1100)
  while (found.length === 0) {
    await peer.send(good)
    await sleep(20)
  }
  t.strictSame(await stop(), [{ serial: SERIAL, addresses: ['127.0.0.1'], port: 8443 }])
})

t.test('When any packet is read, then what comes out of it is a device that can be tried, and no more', t => {
  const name = fc.constantFrom(
    SERVICE,
    `a.${SERVICE}`,
    `B.${SERVICE.toUpperCase()}`,
    'a.local',
    'b.local',
    '',
  )
  const address = fc.constantFrom(
    '127.0.0.1',
    '192.0.2.9',
    '8.8.8.8',
    'fd00::9',
    'fe80::1',
    'fd00::1%lo',
    'x',
    '',
  )
  const text = fc.oneof(
    fc.constantFrom(`id=${SERIAL}`, `ID=${SERIAL}`, 'id=', 'x=y', `id=${SERIAL}0`).map(Buffer.from),
    fc.uint8Array({ maxLength: 40 }).map(bytes => Buffer.from(bytes)),
  )
  const port = fc.oneof(fc.integer({ min: -1, max: 70_000 }), fc.constant('8443'), fc.constant(undefined))
  const record = fc.oneof(
    fc.record({
      name,
      type: fc.constant('SRV'),
      data: fc.record({ port, target: fc.oneof(name, fc.constant(7)) }),
    }),
    fc.record({ name, type: fc.constant('TXT'), data: fc.oneof(text, fc.array(text, { maxLength: 12 })) }),
    fc.record({ name, type: fc.constantFrom('A', 'AAAA'), data: address }),
    fc.record({ name, type: fc.constantFrom('SRV', 'TXT', 'A', 'OPT', '__proto__'), data: fc.anything() }),
  )
  const any = fc.record(
    { answers: fc.array(record, { maxLength: 12 }), additionals: fc.array(record, { maxLength: 12 }) },
    { requiredKeys: [] },
  )
  let devices = 0
  fc.assert(
    fc.property(any, ({ answers, additionals }) => {
      const all = readAnnouncement(
        { ...(answers ? { answers } : {}), ...(additionals ? { additionals } : {}) },
        near,
      )
      devices += all.length
      const places = ['127.0.0.1', '192.0.2.9', 'fd00::9']
      return all.every(
        ({ serial, addresses, port, ...rest }) =>
          isDeviceSerial(serial) &&
          port > 0 &&
          port < 65_536 &&
          addresses.length > 0 &&
          addresses.every(one => places.includes(one)) &&
          Object.keys(rest).length === 0,
      )
    }),
    { numRuns: 3000 },
  )
  t.ok(devices > 0, `${devices} devices among them`)
  t.strictSame(readAnnouncement(packet(records(SERIAL, '192.0.2.9', 1)), near), [
    { serial: SERIAL, addresses: ['192.0.2.9'], port: 1 },
  ])
  const six = [
    ...records(SERIAL),
    { name: `claviger-${SERIAL}.local`, type: 'AAAA', data: 'fd00::9' } as never,
  ]
  const [both] = readAnnouncement(packet(six), near)
  t.strictSame(lanAddresses(SERIAL, [both!]), ['https://127.0.0.1:8443', 'https://[fd00::9]:8443'])
  t.end()
})

t.test('When one serial number is announced from everywhere, then it takes the places of no other', t => {
  const finds = new Finds()
  const at = (serial: string, host: number, port = 1) => ({ serial, addresses: [`192.0.2.${host}`], port })
  for (let port = 1; port < 1000; port++)
    for (let host = 1; host < 20; host++) finds.add(at(SERIAL, host, port), 0)
  t.equal(finds.all().length, 4)
  t.ok(finds.all().every(({ addresses }) => addresses.length === 4))
  t.equal(lanAddresses(SERIAL, finds.all()).length, 8)
  t.ok(finds.add(at(serialOf(1), 1), 0))
  t.equal(finds.add(at(serialOf(1), 1), 0), null, 'nothing new')
  const news = finds.add(at(serialOf(1), 2), 0)
  t.strictSame(news?.addresses, ['192.0.2.1', '192.0.2.2'])
  news!.addresses.length = 0
  t.equal(finds.all().at(-1)!.addresses.length, 2, 'what was told is a copy')
  t.end()
})

t.test(
  'When a device moves often, or others have gone, then there is room again; who is heard of stays',
  t => {
    const at = (serial: string, host: number, port = 1) => ({ serial, addresses: [`192.0.2.${host}`], port })
    const finds = new Finds()
    for (let host = 1; host <= 6; host++) finds.add(at(SERIAL, host), host * 60_000)
    t.strictSame(finds.all()[0]?.addresses, ['192.0.2.3', '192.0.2.4', '192.0.2.5', '192.0.2.6'])

    const full = new Finds()
    for (let number = 0; number < 64; number++) full.add(at(serialOf(number), 1), 0)
    full.add(at(serialOf(7), 1), 100_000)
    t.equal(full.add(at(SERIAL, 1), 180_000), null)
    t.ok(full.add(at(SERIAL, 1), 180_001))
    t.strictSame(
      full.all().map(({ serial }) => serial),
      [serialOf(7), SERIAL],
    )
    t.end()
  },
)

t.test('When the network comes after the start, or changes, then it is asked there', async t => {
  let machine: ReturnType<typeof networkInterfaces> = {}
  let looks = 0
  const { udpPort, found } = start(t, {
    list: () => {
      looks++
      return machine
    },
  })
  const peer = await Peer.on(udpPort)
  t.teardown(() => peer.close())
  await until(() => looks === 1)
  machine = { lo: networkInterfaces().lo! }
  await until(() => peer.heard.length > 0)
  t.strictSame(peer.heard[0]?.questions, [SERVICE])
  await peer.send(writeResponse(records(SERIAL)))
  await until(() => found.length > 0)
  t.match(found, [{ serial: SERIAL }])
})
