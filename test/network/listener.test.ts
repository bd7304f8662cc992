/**
 * One connection at a time that does not behave, on the real listener and the real TLS server; and that nothing is left of any. The
 * same in numbers, against an appliance on a network: `test/netns`.
 */
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { networkInterfaces } from 'node:os'
import { setTimeout as pause } from 'node:timers/promises'
import { type ConnectionOptions, connect as secure, type TLSSocket } from 'node:tls'
import t from 'tap'
import { listenOnLan } from '../../appliance/gate/lan.ts'
import { LAN_LIMITS } from '../../appliance/gate/lan-limits.ts'
import { addressesAt, type LanAddress } from '../../appliance/network/lan.ts'
import { ask, codeOf, exchangeBytes } from '../support/http.ts'
import { startInProcess } from '../support/in-process.ts'

t.setTimeout(60_000)
const device = await startInProcess()
t.teardown(device.stop)
const { admin } = device.appliance
const HOST = '127.0.0.1'
const here = () => addressesAt([HOST], networkInterfaces())

/** A listener on this machine, and how to reach it. */
async function listen(addresses: () => LanAddress[] = here) {
  const urls: string[] = []
  const lan = await listenOnLan(device.app, {
    addresses,
    port: 0,
    onListening: url => urls.push(url),
    onGone: url => urls.splice(urls.indexOf(url), 1),
    onRefused: () => {},
    onFailure: (address, error) => t.fail(`${address}: ${error.message}`),
  })
  const open = async (): Promise<Socket> => {
    const socket = connect({ host: HOST, port: lan.port() })
    socket.on('error', () => {})
    await once(socket, 'connect')
    return socket
  }
  const handshake = async (options: ConnectionOptions = {}): Promise<TLSSocket> => {
    const { key, certificate: cert } = admin
    const socket = secure({ host: HOST, port: lan.port(), key, cert, rejectUnauthorized: false, ...options })
    await once(socket, 'secureConnect')
    return socket.on('error', () => {})
  }
  return { lan, urls, open, handshake }
}

/** Resolves when the other end, or this one, ended it. */
function closed(socket: Socket): Promise<void> {
  return new Promise(resolve => {
    if (socket.closed) resolve()
    else socket.resume().once('close', () => resolve())
  })
}

/** Sockets and timers that keep this process busy. */
function resources(): Record<string, number> {
  const counts: Record<string, number> = {}
  for (const kind of process.getActiveResourcesInfo())
    if (/TCP|TLS|Timeout/.test(kind)) counts[kind] = (counts[kind] ?? 0) + 1
  return counts
}

const { lan, handshake, open, urls } = await listen()

t.test('When a connection is made anew, then no session of the one before is taken up', async t => {
  const first = await handshake()
  const sessions: Buffer[] = []
  first.on('session', session => sessions.push(session))
  t.equal((await ask(first)).status, 200)
  first.destroy()
  t.ok(sessions.length > 0, 'OpenSSL hands out tickets')
  for (const session of sessions) {
    const again = await handshake({ session })
    t.notOk(again.isSessionReused(), 'that are worth nothing')
    t.equal((await ask(again)).status, 200)
    again.destroy()
  }
})

t.test('When somebody asks for an older TLS, or to negotiate again, then it is refused', async t => {
  await t.rejects(handshake({ maxVersion: 'TLSv1.2', minVersion: 'TLSv1.2' }), {
    code: /ALERT_PROTOCOL_VERSION/,
  })
  const socket = await handshake()
  const refused = new Promise<Error | null>(resolve => socket.renegotiate({}, resolve))
  t.match(await refused, { code: 'ERR_SSL_WRONG_SSL_VERSION' }, 'TLS 1.3 has no such thing')
  socket.destroy()

  const raw = await open()
  const { key, certificate: cert } = admin
  const tls = secure({ socket: raw, key, cert, rejectUnauthorized: false }).on('error', () => {})
  await once(tls, 'secureConnect')
  t.equal((await ask(tls)).status, 200)
  // A record in the clear with the beginning of a ClientHello.
  raw.write(Buffer.from('160301000501000001fc0303', 'hex'))
  await closed(raw)
  t.pass('a second handshake inside ends the connection')
})

t.test('When a head is too large, then it is refused and the connection ends', async t => {
  const large = `GET /v1/status HTTP/1.1\r\nhost: x\r\nx: ${'x'.repeat(9000)}\r\n\r\n`
  const answer = await exchangeBytes(await handshake(), large)
  t.match(answer, /^HTTP\/1\.1 413 /)
  t.match(answer, '"too-large"')
  const small = await ask(await handshake(), { headers: { x: 'x'.repeat(7000) } })
  t.equal(small.status, 200, small.status === 200 ? '7,000 bytes are not' : codeOf(small))
})

t.test('When somebody says nothing, or never finishes, then the connection ends by itself', async t => {
  const silent = await open()
  const stopped = await open()
  stopped.write(Buffer.from('1603010200', 'hex'))
  const idle = await handshake()
  const head = await handshake()
  head.write('GET /v1/status HTTP/1.1\r\nhost: x\r\n')
  await Promise.all([silent, stopped, idle, head].map(closed))
  t.pass('before, in and after the handshake')
})

t.test('When hundreds of connections say nothing, then few are kept, and an agent gets in', async t => {
  const before = lan.counters()
  const sockets: Socket[] = []
  // No more at once than the kernel keeps for us.
  while (sockets.length < 400) sockets.push(...(await Promise.all(Array.from({ length: 50 }, open))))
  await pause(200)
  const kept = sockets.filter(socket => !socket.destroyed).length
  t.ok(kept > 0 && kept <= LAN_LIMITS.handshakesOfAddress, `${kept} are kept`)
  const { refused, displaced } = lan.counters()
  t.ok(displaced > before.displaced, 'some ended for newer ones')
  t.ok(refused > before.refused, 'the others were refused')
  await pause(200)
  const agent = await handshake()
  t.equal((await ask(agent)).status, 200)
  for (const socket of [...sockets, agent]) socket.destroy()
})

t.test('When addresses go, then their connections end; when it closes, then nothing is left', async t => {
  // What of the listener above is still ending.
  await pause(500)
  const before = resources()
  let addresses = here()
  const other = await listen(() => addresses)
  t.equal(other.urls.length, 1)
  const sockets = await Promise.all(Array.from({ length: 40 }, other.open))
  const agent = await other.handshake()
  t.equal((await ask(agent)).status, 200)
  addresses = []
  await other.lan.refresh()
  const all = [...sockets, agent]
  await Promise.all(all.map(closed))
  t.same(other.urls, [], 'nothing is listened on')
  await t.rejects(other.open(), { code: 'ECONNREFUSED' })

  addresses = here()
  await other.lan.refresh()
  const later = await other.open()
  await other.lan.close()
  await closed(later)
  await pause(100)
  t.same(resources(), before)
})

t.test('When all is over, then the listener closes', async t => {
  t.equal(urls.length, 1)
  await lan.close()
  await t.rejects(open(), { code: 'ECONNREFUSED' })
})
