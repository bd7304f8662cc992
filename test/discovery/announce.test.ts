/** What a device says of itself on its LAN, heard raw on the loopback, whatever is asked and sent. */
import { Socket } from 'node:dgram'
import { networkInterfaces } from 'node:os'
import { mock } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import fc from 'fast-check'
import t from 'tap'
import { type AnnouncementOptions, announcedRecords, startAnnouncing } from '../../appliance/gate/announce.ts'
import { type Message, Peer, privatePort, type Record, writeQuery, writeResponse } from './dns.ts'

const SERIAL = '0a1b2c3d4e5f6071'
const SERVICE = '_claviger._tcp.local'
const HOST = `claviger-${SERIAL}.local`
const INSTANCE = `claviger-${SERIAL}.${SERVICE}`

/** All that may be said. */
const ALLOWED: Record[] = [
  { name: SERVICE, type: 'PTR', data: INSTANCE },
  { name: '_services._dns-sd._udp.local', type: 'PTR', data: SERVICE },
  { name: INSTANCE, type: 'SRV', data: { port: 8443, target: HOST } },
  { name: INSTANCE, type: 'TXT', data: [`id=${SERIAL}`] },
  { name: HOST, type: 'A', data: '127.0.0.1' },
]

async function until<T>(what: () => T | undefined): Promise<T> {
  for (;;) {
    const found = what()
    if (found !== undefined) return found
    await sleep(5)
  }
}

const keyOf = ({ name, type, data }: Record) => JSON.stringify([name, type, data])
const isGoodbye = ({ answers }: Message) => answers.some(({ ttl }) => ttl === 0)

/** Starts a device on the loopback, and somebody who listens. */
async function start(t: Tap, more: Partial<AnnouncementOptions> = {}) {
  const udpPort = privatePort()
  const peer = await Peer.on(udpPort)
  const failures: Error[] = []
  const announcement = startAnnouncing({
    port: 8443,
    serial: SERIAL,
    interfaces: ['lo'],
    udpPort,
    onFailure: error => failures.push(error),
    ...more,
  })
  t.teardown(async () => {
    await announcement.stop()
    await peer.close()
    if (failures.length > 0) throw failures[0]
  })
  return { peer, announcement, udpPort }
}
type Tap = Pick<typeof t, 'teardown'>

/** Asks until somebody answers. */
async function answerTo(peer: Peer, query: Buffer): Promise<Message> {
  const before = peer.responses.length
  for (;;) {
    await peer.send(query)
    for (let i = 0; i < 20; i++) {
      const [answer] = peer.responses.slice(before)
      if (answer) return answer
      await sleep(5)
    }
  }
}

t.test(
  'When a device announces itself, then its name, serial number and port are all that is said',
  async t => {
    const { peer, announcement } = await start(t)
    const first = await until(() => peer.responses[0])
    t.ok(
      first.answers.some(record => record.type === 'SRV'),
      'without being asked',
    )
    // questions for each name, of each kind, by small and large letters, and for what others would answer
    for (const name of [...new Set(ALLOWED.map(record => record.name)), INSTANCE.toUpperCase()])
      for (const type of ['ANY', 'PTR', 'SRV', 'TXT', 'A'] as const) await peer.send(writeQuery([name], type))
    await sleep(1100)
    const answer = await answerTo(peer, writeQuery([SERVICE]))
    t.strictSame(
      new Set(answer.answers.map(({ type }) => type)),
      new Set(['PTR', 'SRV', 'TXT', 'A']),
      'one answer is enough to connect',
    )
    await announcement.stop()
    const goodbye = await until(() => peer.responses.find(isGoodbye))
    t.ok(goodbye.answers.length > 0)

    const said = peer.responses.flatMap(({ answers }) => answers)
    const allowed = new Set(ALLOWED.map(keyOf))
    for (const record of said) t.ok(allowed.has(keyOf(record)), keyOf(record))
    // The package by itself names the machine, and every address that it has.
    const all = Object.values(networkInterfaces()).flatMap(each => each ?? [])
    const isAlone = !all.some(({ internal, family }) => !internal && family === 'IPv4')
    t.pass('another address was kept back', { skip: isAlone && 'this machine has no other address' })
    t.strictSame(
      announcedRecords(SERIAL, 8443, '127.0.0.1').map(({ data, ...rest }) => ({
        ...rest,
        data: Array.isArray(data) ? data.map(String) : data,
      })),
      ALLOWED,
    )
  },
)

t.test('When somebody outside of the subnet asks, then nobody answers', async t => {
  const list = () => ({ lo: [{ ...networkInterfaces().lo![0]!, cidr: '127.0.0.1/32' }] })
  const { peer, udpPort } = await start(t, { list })
  await until(() => peer.responses[0])
  const outside = await Peer.on(udpPort, '127.0.0.2', false)
  t.teardown(() => outside.close())
  const before = peer.responses.length
  for (let i = 0; i < 3; i++) await outside.send(writeQuery([INSTANCE], 'TXT'), '127.0.0.1')
  for (let i = 0; i < 3; i++) await outside.send(writeQuery([INSTANCE], 'TXT'))
  // packets keep their order on the loopback: an answer to these would come before this one
  await answerTo(peer, writeQuery([INSTANCE], 'SRV'))
  const kinds = peer.responses.slice(before).flatMap(({ answers }) => answers.map(({ type }) => type))
  t.strictSame([...new Set(kinds)], ['SRV'])
})

t.test('When it is flooded with questions, then it says little, and answers again afterwards', async t => {
  const { peer } = await start(t)
  await until(() => peer.responses[0])
  const before = peer.responses.length
  const started = performance.now()
  const many = writeQuery(Array(40).fill(SERVICE), 'ANY')
  for (let i = 0; i < 1000; i++) await peer.send(many)
  await sleep(200)
  const seconds = Math.floor((performance.now() - started) / 1000) + 2
  const said = peer.responses.length - before
  t.ok(said <= 10 * seconds, `${said} answers to 40,000 questions within ${seconds} seconds of the clock`)
  await answerTo(peer, writeQuery([SERVICE]))
})

t.test('When it is sent anything else, then it lives, and says nothing else', async t => {
  const { peer } = await start(t)
  await until(() => peer.responses[0])
  const hostile = [
    Buffer.alloc(0),
    Buffer.alloc(60_000, 0xc0),
    // a pointer to itself, and a chain of pointers
    Buffer.concat([Buffer.from('000000000001000000000000', 'hex'), Buffer.from('c00c000c0001', 'hex')]),
    writeQuery(['constructor', '__proto__', 'toString']),
    writeQuery(['claviger'], 'ANY'),
    // somebody claims its name
    writeResponse([{ name: INSTANCE, type: 'SRV', data: { port: 1, target: 'thief.local' } }]),
    writeResponse([{ ...ALLOWED[0]!, ttl: 0 }]),
  ]
  for (const bytes of hostile) await peer.send(bytes)
  await fc
    .assert(
      fc.asyncProperty(fc.uint8Array({ maxLength: 200 }), async noise => {
        const query = writeQuery([SERVICE, INSTANCE], 'ANY')
        query.set(noise.subarray(0, query.length - 12), 12)
        // not as a response: this test's own reader is not made for noise
        query[2] = 0
        await peer.send(query)
      }),
      { numRuns: 50 },
    )
    .catch(error => t.fail(String(error)))
  await sleep(1100)
  await answerTo(peer, writeQuery([SERVICE]))
  const allowed = new Set(ALLOWED.map(keyOf))
  const said = peer.responses.flatMap(({ answers }) => answers)
  t.ok(said.every(record => allowed.has(keyOf(record))))
})

t.test('When an interface gets its address later, or another one, then it is announced there', async t => {
  mock.timers.enable({ apis: ['setInterval'] })
  t.teardown(() => mock.timers.reset())
  const lo = networkInterfaces().lo![0]!
  let machine: ReturnType<typeof networkInterfaces> = {}
  const { peer } = await start(t, { list: () => machine })
  machine = { lo: [lo], docker0: [{ ...lo, internal: false, address: '192.0.2.77' }] }
  mock.timers.tick(5000)
  await until(() => peer.responses[0])
  machine = {}
  mock.timers.tick(5000)
  await until(() => peer.responses.find(isGoodbye))
  const after = peer.responses.length
  machine = { lo: [lo] }
  mock.timers.tick(5000)
  await until(() => peer.responses[after])
  t.notOk(JSON.stringify(peer.responses).includes('192.0.2.77'), 'and on no other one')
})

t.test('When an address is not there any more, then nothing leaves by another interface', async t => {
  const gone = { ...networkInterfaces().lo![0]!, address: '198.51.100.7', cidr: '198.51.100.7/24' }
  const udpPort = privatePort()
  const failures: (string | undefined)[] = []
  mock.timers.enable({ apis: ['setInterval'] })
  t.teardown(() => mock.timers.reset())
  const sent = t.capture(Socket.prototype, 'send', Socket.prototype.send)
  let machine: ReturnType<typeof networkInterfaces> = { lo: [gone] }
  const peer = await Peer.on(udpPort)
  const announcement = startAnnouncing({
    port: 8443,
    serial: SERIAL,
    interfaces: ['lo'],
    udpPort,
    list: () => machine,
    onFailure: (error: NodeJS.ErrnoException) => failures.push(error.code),
  })
  t.teardown(() => Promise.all([announcement.stop(), peer.close()]))
  await until(() => failures[0])
  await sleep(50)
  for (let look = 0; look < 3; look++) {
    mock.timers.tick(5000)
    await sleep(50)
  }
  t.equal(sent().length, 0)
  t.strictSame(failures, ['EADDRNOTAVAIL'], 'told once')
  machine = networkInterfaces()
  mock.timers.tick(5000)
  await until(() => peer.responses[0])
})
