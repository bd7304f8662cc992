/** The whole appliance in this process: keeper, RPC over a UNIX socket, app; its wire is a cable in memory. */
import { randomBytes } from 'node:crypto'
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Duplex } from 'node:stream'
import type { FastifyInstance } from 'fastify'
import { buildApp } from '../../appliance/gate/app.ts'
import { loadDeviceIdentity } from '../../appliance/gate/identity.ts'
import { systemClock } from '../../appliance/keeper/clock.ts'
import { Device } from '../../appliance/keeper/device.ts'
import type { Keeper } from '../../appliance/keeper/keeper.ts'
import { COST_FLOOR } from '../../appliance/keeper/keystore/factors.ts'
import type { Storage } from '../../appliance/keeper/keystore/storage.ts'
import type { Presence } from '../../appliance/keeper/panel/presence.ts'
import { KeeperClient } from '../../appliance/keeper/rpc/client.ts'
import { RpcServer } from '../../appliance/keeper/rpc/server.ts'
import type { Vault } from '../../appliance/keeper/vault.ts'
import { readProvision } from '../../appliance/provision.ts'
import { makeCard } from '../../host-agent/client/card.ts'
import type { Wire } from '../../host-agent/client/wire.ts'
import { TestAppliance, temporaryDirectory } from './appliance.ts'
import { memoryCable } from './memory-wire.ts'

/** An appliance in this process, with its parts at hand. */
export interface InProcess {
  appliance: TestAppliance
  app: FastifyInstance
  device: Device
  /** One for each namespace, over the same wire. */
  houses: ReadonlyMap<string, TestAppliance>
  /** Keeper and keystore of the first namespace. */
  keeper: Keeper
  vault: Vault
  /** Directory of the device's data. */
  data: string
  /** Path of the keeper's socket. */
  socket: string
  /** Pin of the device, 32 bytes. */
  pin: Uint8Array
  /** Lets time pass, seconds. */
  advance(seconds: number): void
  /** Sets the keeper's wall clock so many seconds forward, or back; no time passes. */
  setClock(seconds: number): void
  /** Connects a stream to the app, as a wire would. */
  cable(): Duplex
  /** What the gate knows of health; `null` for none. */
  health: Record<string, unknown> | null
  stop(): Promise<void>
}

/** Options of {@link startInProcess}. */
export interface InProcessOptions {
  /** Provisions it too; default true, unless there are files. */
  provisioned?: boolean
  /** Other namespaces than `default` alone. The first one is what `appliance`, `keeper` and `vault` are of. */
  namespaces?: readonly string[]
  /** What is in the keystore's directory before the start, by name. */
  files?: Record<string, string>
  /** Stands between the keystore and its directory. */
  storage?(real: Storage): Storage
  /** Where requests wait for a press of the button; there is none otherwise. */
  presence?: Presence
}

/** KiB: tests have no time for what a passphrase costs. */
const ARGON2_MEMORY = 64

export const HEALTH = {
  time: 1,
  uptime: 2,
  model: null,
  tier: 'none' as const,
  cpu: { temperature: null, load: 0.5, throttled: null },
  memory: { total: 4, available: 2 },
  disk: { total: 4, available: 2 },
}

/** Starts it on a temporary directory. */
export async function startInProcess({
  files = {},
  namespaces = ['default'],
  provisioned = Object.keys(files).length === 0,
  storage = real => real,
  presence,
}: InProcessOptions = {}): Promise<InProcess> {
  const directory = await temporaryDirectory()
  const data = join(directory.path, 'keystore')
  await mkdir(data)
  for (const [name, content] of Object.entries(files)) await writeFile(join(data, name), content)
  const { provisionJson, profiles } = makeCard('owner', 'test device', namespaces)
  await writeFile(join(directory.path, 'provision.json'), provisionJson)
  const card = await readProvision(join(directory.path, 'provision.json'))
  let moved = 0
  let set = 0
  const system = systemClock()
  const device = await Device.open({
    data: directory.path,
    provisions: card!.namespaces,
    deviceSecret: randomBytes(32),
    clock: {
      boot: system.boot,
      up: () => system.up() + moved * 1000,
      wall: () => system.wall() + (moved + set) * 1000,
    },
    floor: { ...COST_FLOOR, m: ARGON2_MEMORY },
    storage,
    presence,
  })
  const server = new RpcServer(
    (method, caller, params) => device.handle(method, caller, params),
    () => device.greeting(),
  )
  device.on('trust', params => server.emit('trust', params))
  device.on('revoked', params => server.emit('revoked', params))
  device.on('touch', params => server.emit('touch', params))
  const socket = join(directory.path, 'keeper.sock')
  await server.listen(socket)

  const identity = await loadDeviceIdentity(join(directory.path, 'identity'))
  const client = new KeeperClient(socket)
  const trusted = new Promise(resolve => client.once('trust', resolve))
  const app = await buildApp({
    keeper: client,
    identity,
    claim: card!.claim,
    name: card!.name,
    version: 'test',
    argon2Memory: ARGON2_MEMORY,
    health: () => started.health,
    linkCounters: () => null,
  })
  // There is nothing to listen on: this starts the timers for slow requests.
  app.server.emit('listening')
  await trusted

  const ends = new Set<Duplex>()
  const cable = () => {
    const [ours, theirs] = memoryCable()
    for (const end of [ours, theirs]) ends.add(end.once('close', () => ends.delete(end)))
    app.server.emit('connection', theirs)
    return ours
  }
  const wire: Wire = { address: 'memory:', open: async () => cable(), close: async () => {} }
  const houses = new Map(
    namespaces.map(namespace => [namespace, new TestAppliance(['memory:'], { open: async () => wire })]),
  )
  const appliance = houses.get(namespaces[0]!)!
  const started: InProcess = {
    appliance,
    houses,
    app,
    device,
    keeper: device.keeper(namespaces[0]!)!,
    vault: device.vault(namespaces[0]!)!,
    data: directory.path,
    socket,
    pin: identity.pin,
    advance: seconds => {
      moved += seconds
    },
    setClock: seconds => {
      set += seconds
    },
    cable,
    health: HEALTH,
    stop: async () => {
      await Promise.all([...houses.values()].map(house => house.close()))
      for (const end of ends) end.destroy()
      client.close()
      await app.close()
      await server.close()
      await device.close()
      await directory.remove()
    },
  }
  for (const [i, house] of [...houses.values()].entries()) {
    const administrator = { ...profiles[i]!, addresses: ['memory:'] }
    if (provisioned) await house.provision(administrator)
    else house.admin = administrator
  }
  return started
}
