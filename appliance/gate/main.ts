/** The gate process: HTTPS on the LAN, the same app on the serial line, the keeper behind it. */
import { once } from 'node:events'
import { networkInterfaces } from 'node:os'
import { parseArgs } from 'node:util'
import { toBase64url } from '../../protocol/bytes.ts'
import { deviceSerial } from '../../protocol/identity/device-serial.ts'
import { SnapshotReader } from '../health/feed.ts'
import { KeeperClient } from '../keeper/rpc/client.ts'
import { readNetworkConfig } from '../network/config.ts'
import { lanAddresses } from '../network/lan.ts'
import { readProvision } from '../provision.ts'
import { VERSION } from '../version.ts'
import { startAnnouncing } from './announce.ts'
import { buildApp } from './app.ts'
import { loadDeviceIdentity, RememberedAuthorities } from './identity.ts'
import { type LanListener, listenOnLan } from './lan.ts'
import { resolveLanOption } from './lan-option.ts'
import { mayComeFrom } from './lan-policy.ts'
import { Refusals } from './refusals.ts'
import { listenOnSerial, type SerialListener } from './serial.ts'

const { values } = parseArgs({
  options: {
    identity: { type: 'string' },
    keeper: { type: 'string' },
    health: { type: 'string' },
    provision: { type: 'string' },
    /** `network.json`; missing on a dongle. */
    network: { type: 'string' },
    /** `host:port` instead, on a developer's machine. */
    lan: { type: 'string' },
    /** Path of a tty, or `unix:/path` of a stream socket; may be missing on a LAN box. */
    serial: { type: 'string' },
    /** argon2id memory in KiB for new passphrases and PINs; tests only. */
    'argon2-memory': { type: 'string' },
    /** Refusals of one address before it has to wait; tests only. */
    'free-refusals': { type: 'string' },
  },
})

function fail(message: string): never {
  process.stderr.write(`claviger-gate: ${message}\n`)
  process.exit(1)
}

const journal = (about: string, message: string) =>
  process.stderr.write(`claviger-gate: ${about}: ${message}\n`)

const { identity: identityDirectory, keeper: keeperPath, health: healthPath } = values
if (!identityDirectory || !keeperPath || !healthPath) fail('--identity, --keeper and --health are needed')
if (!values.network && !values.lan && !values.serial) fail('--network, --lan or --serial is needed')
if (values.network && values.lan) fail('--network and --lan exclude each other')

const card = values.provision
  ? await readProvision(values.provision).catch(error => fail(error.message))
  : null
const network = values.network
  ? await readNetworkConfig(values.network).catch(error => fail(error.message))
  : null
const keeper = new KeeperClient(keeperPath)
const trusted = once(keeper, 'trust')
const health = new SnapshotReader(healthPath)
const identity = await loadDeviceIdentity(identityDirectory)
let serial: SerialListener | undefined

const authorities = await RememberedAuthorities.load(identityDirectory)
const free = values['free-refusals']
const refusals = await Refusals.load(identityDirectory, free === undefined ? undefined : Number(free))
const app = await buildApp({
  keeper,
  identity,
  claim: card?.claim,
  name: card?.name ?? 'claviger',
  version: VERSION,
  authorities,
  refusals,
  mayComeFrom: (caller, address) => network === null || mayComeFrom(network.agents, caller, address),
  argon2Memory: values['argon2-memory'] ? Number(values['argon2-memory']) : undefined,
  health: () => health.newest(),
  linkCounters: () => serial?.counters() ?? null,
})
// Before the keeper has told whom to trust, every handshake is refused: an agent would take it that it was revoked.
await trusted
let lan: LanListener | undefined
if (network || values.lan) {
  const place = network
    ? { port: network.port, addresses: () => lanAddresses(network.interfaces, networkInterfaces()) }
    : await resolveLanOption(values.lan!, networkInterfaces).catch(error => fail(error.message))
  lan = await listenOnLan(app, {
    ...place,
    refusals,
    onListening: url => process.stdout.write(`lan ${url}\n`),
    onGone: url => process.stdout.write(`gone ${url}\n`),
    onRefused: ({ elsewhere, waiting, refused, displaced }) => {
      const why = `${elsewhere} from elsewhere, ${waiting} that had to wait, ${refused + displaced} beyond a limit`
      journal('connections refused since the start', why)
    },
    // The addresses of a device come and go; the one that a person typed is there or is not.
    onFailure: (address, { message }) => (network ? journal(address, message) : fail(message)),
  })
}
const announcement = network?.announce
  ? startAnnouncing({
      port: network.port,
      serial: deviceSerial(identity.pin),
      interfaces: network.interfaces.map(({ name }) => name),
      onFailure: ({ message }) => journal('mDNS', message),
    })
  : undefined
if (values.serial) {
  serial = listenOnSerial(app, values.serial, toBase64url(identity.pin))
  process.stdout.write(`serial ${values.serial}\n`)
}
process.stdout.write('ready\n')

for (const signal of ['SIGTERM', 'SIGINT'] as const)
  process.once(signal, async () => {
    await Promise.all([serial?.close(), lan?.close(), announcement?.stop()])
    keeper.close()
    health.close()
    await Promise.all([authorities.settled(), refusals.settled()])
    await app.close()
    process.exit(0)
  })
