/**
 * Somebody on the LAN announces the serial number of an enrolled device: whoever believes it talks to nobody else. The devices,
 * the true one and the false one, are real HTTPS servers on the loopback.
 */
import { createPublicKey } from 'node:crypto'
import { once } from 'node:events'
import { createServer as createHttpsServer, request } from 'node:https'
import { type AddressInfo, createServer, type Server } from 'node:net'
import t from 'tap'
import { startAnnouncing } from '../../appliance/gate/announce.ts'
import { connectProfile } from '../../host-agent/client/connect.ts'
import { browse, type FoundDevice, lanAddresses } from '../../host-agent/client/discovery.ts'
import { makeKey } from '../../host-agent/client/identity.ts'
import { fromBase64url } from '../../protocol/bytes.ts'
import { selfSigned, spkiPin, toPem } from '../../protocol/identity/certificate.ts'
import { deviceSerial } from '../../protocol/identity/device-serial.ts'
import { startInProcess } from '../support/in-process.ts'
import { privatePort } from './dns.ts'

const started = await startInProcess()
t.teardown(started.stop)
const { admin } = started.appliance
const serial = deviceSerial(fromBase64url(admin.device)!)

async function listen(server: Server): Promise<number> {
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => server.close())
  return (server.address() as AddressInfo).port
}

/** The true device, on TCP. */
const truePort = await listen(
  createServer(socket => {
    socket.on('error', () => {})
    started.app.server.emit('connection', socket)
  }),
)

/** Somebody else: another key, and an answer to everything. */
const falseKey = makeKey()
const seen = { connections: 0, bytes: 0, requests: 0 }
const falseServer = createHttpsServer({
  key: falseKey.export({ type: 'pkcs8', format: 'pem' }) as string,
  cert: toPem(selfSigned({ namespace: 'default', role: 'administrator', name: 'device' }, falseKey)),
  requestCert: true,
  rejectUnauthorized: false,
})
falseServer.on('connection', () => seen.connections++)
falseServer.on('secureConnection', socket => {
  socket.on('data', (data: Buffer) => {
    seen.bytes += data.length
  })
})
falseServer.on('request', (_request, response) => {
  seen.requests++
  response.setHeader('content-type', 'application/json')
  response.end('{"state":"operational","version":"1"}')
})
const falsePort = await listen(falseServer)

/** Announces ports under the serial number of the true device, and browses until all are found. */
async function found(...ports: number[]): Promise<FoundDevice[]> {
  const udpPort = privatePort()
  const end = new AbortController()
  const missing = new Set(ports)
  const browsing = browse({
    interfaces: ['lo'],
    udpPort,
    serials: [serial],
    signal: end.signal,
    onFound: ({ port }) => {
      missing.delete(port)
      if (missing.size === 0) end.abort()
    },
  })
  const announcements: ReturnType<typeof startAnnouncing>[] = []
  for (const port of ports) announcements.push(startAnnouncing({ port, serial, interfaces: ['lo'], udpPort }))
  const devices = await browsing
  await Promise.all(announcements.map(announcement => announcement.stop()))
  return devices
}

/** One try at each address. */
const patience = { retryFor: 0 }

t.test('When the true device announces itself, then it is found and connected to', async t => {
  const addresses = lanAddresses(serial, await found(truePort))
  t.strictSame(addresses, [`https://127.0.0.1:${truePort}`])
  const appliance = await connectProfile({ ...admin, addresses }, { patience })
  t.match(await appliance.status(), { state: 'operational' })
  await appliance.close()
})

t.test('When somebody announces its serial number, then not a byte of a request is sent there', async t => {
  t.notSame(deviceSerial(spkiPin(createPublicKey(falseKey))), serial)
  const addresses = lanAddresses(serial, await found(falsePort))
  t.strictSame(addresses, [`https://127.0.0.1:${falsePort}`])
  for (let round = 0; round < 3; round++) {
    const trying = connectProfile({ ...admin, addresses }, { patience }).then(appliance =>
      appliance.decrypt({ purpose: 'ship', items: [] }).finally(() => appliance.close()),
    )
    await t.rejects(trying, { code: 'device-mismatch' })
  }
  t.strictSame(seen, { connections: 3, bytes: 0, requests: 0 })

  // who does not look at the key does send it something
  const believer = request({ port: falsePort, host: '127.0.0.1', rejectUnauthorized: false }).end()
  await once(believer, 'response')
  t.ok(seen.bytes > 0)
  t.equal(seen.requests, 1)
  believer.destroy()
})

t.test('When both announce themselves, then the true one is talked to, and the other one is not', async t => {
  const before = { ...seen }
  const devices = await found(falsePort, truePort)
  const addresses = [falsePort, truePort].flatMap(port =>
    lanAddresses(
      serial,
      devices.filter(device => device.port === port),
    ),
  )
  t.equal(addresses.length, 2)
  const appliance = await connectProfile({ ...admin, addresses }, { patience })
  t.match(await appliance.status(), { state: 'operational' })
  await appliance.close()
  t.ok(seen.connections > before.connections, 'it was tried first')
  t.match(seen, { bytes: before.bytes, requests: before.requests })
})
