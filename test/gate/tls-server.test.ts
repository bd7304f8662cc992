/** Who gets through TLS into the app over a stream that is no TCP socket, and why the server side is not built by hand. */
import { once } from 'node:events'
import { createServer } from 'node:http'
import { type ConnectionOptions, createSecureContext, TLSSocket } from 'node:tls'
import t from 'tap'
import { loadDeviceIdentity } from '../../appliance/gate/identity.ts'
import { Appliance } from '../../host-agent/client/appliance.ts'
import { enrol } from '../../host-agent/client/connect.ts'
import { invitedCredentials, makeKey } from '../../host-agent/client/identity.ts'
import { pinned } from '../../host-agent/client/tls.ts'
import type { Wire } from '../../host-agent/client/wire.ts'
import { selfSigned, toPem } from '../../protocol/identity/certificate.ts'
import { ask, askOnce, exchangeBytes, secure } from '../support/http.ts'
import { startInProcess } from '../support/in-process.ts'
import { memoryCable } from '../support/memory-wire.ts'

const device = await startInProcess()
t.teardown(device.stop)
const { appliance, cable, app } = device

/** Somebody with a certificate of the administrator's names that nobody signed but himself. */
function stranger() {
  const key = makeKey()
  const subject = { namespace: 'default', role: 'administrator', name: 'owner' }
  return {
    key: key.export({ type: 'pkcs8', format: 'pem' }) as string,
    certificate: toPem(selfSigned(subject, key)),
  }
}

t.test(
  'When one end of a cable in memory is destroyed, then the other reads what came, and ends',
  async t => {
    const [a, b] = memoryCable()
    a.write('last words')
    a.destroy()
    b.resume()
    const closed = once(b, 'close')
    t.equal(String((await once(b, 'data'))[0]), 'last words')
    await closed
    t.ok(b.destroyed)
  },
)

t.test('When the server side of TLS is built by hand, then a stranger gets through it', async t => {
  const identity = await loadDeviceIdentity(t.testdir())
  const server = createServer((_request, response) => response.end('plaintext'))
  const byHand = () => {
    const [ours, theirs] = memoryCable()
    const socket = new TLSSocket(theirs, {
      isServer: true,
      requestCert: true,
      rejectUnauthorized: true,
      secureContext: createSecureContext({
        key: identity.key,
        cert: identity.certificate,
        ca: [appliance.admin.certificate],
        minVersion: 'TLSv1.3',
      }),
    })
    server.emit('connection', socket)
    return ours
  }
  t.match(await askOnce(byHand(), stranger()), { status: 200, text: 'plaintext' })
})

t.test('When the app serves the same stream, then no stranger reaches a request', async t => {
  let requests = 0
  app.server.on('request', () => requests++)
  for (const who of [stranger(), null]) await t.rejects(askOnce(cable(), who))
  t.equal(requests, 0)
  t.equal((await askOnce(cable(), appliance.admin)).status, 200)
  t.equal(requests, 1)
})

t.test('When a client speaks less than TLS 1.3, then it is refused', async t => {
  const old: ConnectionOptions = { minVersion: 'TLSv1.2', maxVersion: 'TLSv1.2' }
  await t.rejects(secure(cable(), appliance.admin, old), { code: 'ERR_SSL_TLSV1_ALERT_PROTOCOL_VERSION' })
  const socket = await secure(cable(), appliance.admin, { minVersion: 'TLSv1.2' })
  t.equal(socket.getProtocol(), 'TLSv1.3')
  socket.destroy()
})

t.test('When a client speaks no TLS at all, then it gets no HTTP', async t => {
  for (const bytes of [
    'GET /v1/status HTTP/1.1\r\nhost: x\r\n\r\n',
    '\0\0\0\0',
    Buffer.alloc(100_000, 0x16),
  ]) {
    t.notMatch(await exchangeBytes(cable(), bytes), /HTTP/)
  }
  t.equal((await askOnce(cable(), appliance.admin)).status, 200)
})

t.test('When an invitation was used, then a TLS session from before does not bring it back', async t => {
  const invitation = await appliance.invite('resumed', 'auditor')
  const credentials = invitedCredentials(invitation)
  const first = await secure(cable(), credentials)
  const ticket = once(first, 'session')
  t.equal((await ask(first)).status, 200)
  const session = (await ticket)[0] as Buffer
  await enrol({ invitation }, { open: () => appliance.wire() })
  const status = await secure(cable(), credentials, { session })
    .then(socket => ask(socket).finally(() => socket.destroy()))
    .then(
      answer => answer.status,
      () => 'outside',
    )
  t.match(`${status}`, /^(401|outside)$/)
  t.equal((await ask(first).catch(() => null))?.status ?? 401, 401, 'nor does the connection')
  first.destroy()
})

t.test(
  'When an agent was revoked, then neither its connection nor its TLS session is worth anything',
  async t => {
    const profile = await appliance.enrol('leaver', 'auditor')
    const first = await secure(cable(), profile)
    const ticket = once(first, 'session')
    t.equal((await ask(first, { path: '/v1/keys' })).status, 200)
    const session = (await ticket)[0] as Buffer
    const gone = new Promise(resolve => first.once('close', resolve))
    await (await appliance.connect(appliance.admin)).revoke('leaver')
    await gone
    const second = await secure(cable(), profile, { session }).catch(() => null)
    const answer = second && (await ask(second, { path: '/v1/keys' }).catch(() => null))
    t.equal(answer?.status ?? 401, 401)
    second?.destroy()
  },
)

t.test('When an impostor answers, then the client sends it not one byte of HTTP', async t => {
  const identity = await loadDeviceIdentity(t.testdir())
  const heard: Buffer[] = []
  const impostor: Wire = {
    address: 'memory:',
    close: async () => {},
    open: async () => {
      const [ours, theirs] = memoryCable()
      const { key, certificate: cert } = identity
      const socket = new TLSSocket(theirs, {
        isServer: true,
        requestCert: true,
        rejectUnauthorized: false,
        key,
        cert,
      })
      socket.on('error', () => {})
      socket.on('data', chunk => heard.push(chunk))
      return ours
    },
  }
  const client = new Appliance(impostor, appliance.admin, pinned(device.pin), { retryFor: 0 })
  await t.rejects(client.status(), { code: 'device-mismatch' })
  await t.rejects(client.unlock({ passphrase: 'the passphrase' }), { code: 'device-mismatch' })
  await client.close()
  t.same(heard, [])
  const fooled = new Appliance(impostor, appliance.admin, pinned(identity.pin), { retryFor: 0 })
  void fooled.status().catch(() => {})
  while (heard.length === 0) await new Promise(setImmediate)
  t.match(String(heard[0]), /^GET \/v1\/status/, 'which would be heard if it were sent')
  await fooled.close()
})
