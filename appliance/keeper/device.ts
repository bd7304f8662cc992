/**
 * The namespaces of one device, each a keeper with a keystore, a log and a lockdown of its own. Which one a request is for
 * says the certificate of its caller; to everybody else it is as if it were not there.
 */
import { EventEmitter } from 'node:events'
import { mkdir, readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { ClavigerError } from '../../protocol/api/errors.ts'
import type { EntryBody } from '../../protocol/audit/entry.ts'
import type { Provision } from '../provision.ts'
import { AuditLog } from './audit/log.ts'
import { Chronicle } from './chronicle.ts'
import type { Clock } from './clock.ts'
import { Keeper } from './keeper.ts'
import type { CostFloor } from './keystore/factors.ts'
import { directoryStorage, type Storage } from './keystore/storage.ts'
import { originOf } from './log-key.ts'
import { Presence } from './panel/presence.ts'
import type { Caller, EventName, EventParams, Method, Params, Results } from './rpc/messages.ts'
import type { Greeting } from './rpc/server.ts'
import { Vault } from './vault.ts'

export interface DeviceOptions {
  /** Directory with `keystore/` and `audit/`, made if missing. */
  data: string
  /** The first administrators, by namespace, from the card. */
  provisions: ReadonlyMap<string, Provision>
  deviceSecret: Uint8Array
  clock: Clock
  /** The least that a new slot may cost to try; less than the default is for tests. */
  floor?: CostFloor | undefined
  /** Makes garbage collection run. */
  collect?: (() => void) | undefined
  /** Where requests wait for a press of the button; without one where there is none. */
  presence?: Presence | undefined
  /** Stands between the keystores and their directory; tests only. */
  storage?: ((real: Storage) => Storage) | undefined
  /** A generation of the keystore that is taken although the log has seen a later one, by namespace. */
  acceptGeneration?: ReadonlyMap<string, number> | undefined
}

type Events = { [E in EventName]: [EventParams<E>] }

/** A file in the directory of keystores that is one; those beside it have a dot in their names. */
const KEYSTORE = /^[a-z0-9][a-z0-9-]{0,31}$/

/** How often retired keys are looked at. */
const PURGE_MS = 3_600_000

export class Device extends EventEmitter<Events> {
  readonly #keepers = new Map<string, Part>()
  readonly #presence: Presence
  readonly #purging: NodeJS.Timeout

  private constructor(parts: Part[], presence: Presence) {
    super()
    this.#presence = presence
    presence.on('change', (namespace, count) => this.emit('touch', { namespace, count }))
    for (const part of parts) {
      this.#keepers.set(part.keeper.namespace, part)
      part.keeper.on('trust', params => this.emit('trust', params))
      part.keeper.on('revoked', params => this.emit('revoked', params))
    }
    this.#purging = setInterval(() => {
      for (const keeper of this.keepers) void keeper.purge()
    }, PURGE_MS).unref()
  }

  /**
   * Opens every namespace that has a keystore, or that the card names. Without any, there is `default`.
   *
   * @throws KeystoreError `keystore-busy`; AuditError `audit-unavailable`
   */
  static async open(given: DeviceOptions): Promise<Device> {
    const { presence = new Presence() } = given
    const options = { ...given, presence }
    const directory = join(options.data, 'keystore')
    await mkdir(directory, { recursive: true, mode: 0o700 })
    const found = (await readdir(directory)).filter(name => KEYSTORE.test(name))
    const namespaces = new Set([...found, ...options.provisions.keys()])
    if (namespaces.size === 0) namespaces.add('default')
    const parts: Part[] = []
    try {
      for (const namespace of [...namespaces].sort()) parts.push(await openPart(namespace, options))
    } catch (error) {
      await Promise.all(parts.map(close))
      throw error
    }
    return new Device(parts, presence)
  }

  /** The keeper of a namespace. */
  keeper(namespace: string): Keeper | undefined {
    return this.#keepers.get(namespace)?.keeper
  }

  get keepers(): Keeper[] {
    return [...this.#keepers.values()].map(({ keeper }) => keeper)
  }

  /** What a gate is told first. */
  greeting(): ReturnType<Greeting> {
    return this.keepers.flatMap((keeper): ReturnType<Greeting> => {
      const { namespace } = keeper
      const count = this.#presence.count(namespace)
      return [
        ['trust', keeper.trust()],
        ...(count > 0 ? [['touch', { namespace, count }] as ['touch', EventParams<'touch'>]] : []),
      ]
    })
  }

  /** Keystore of a namespace; for tests. */
  vault(namespace: string): Vault | undefined {
    return this.#keepers.get(namespace)?.vault
  }

  /** @throws ClavigerError with the code of the refusal or failure */
  async handle<M extends Method>(method: M, caller: Caller, params: Params<M>): Promise<Results[M]> {
    const part = this.#keepers.get(caller.namespace)
    if (!part) throw new ClavigerError('unknown-agent')
    return part.keeper.handle(method, caller, params)
  }

  /** Lockdown of every namespace, because somebody held the button. */
  async lockDownByHand(): Promise<void> {
    await Promise.all(this.keepers.map(keeper => keeper.lockDownByHand()))
  }

  async close(): Promise<void> {
    clearInterval(this.#purging)
    await Promise.all([...this.#keepers.values()].map(close))
    // Who waits for a press hears that the device is locked.
    for (const namespace of this.#keepers.keys()) this.#presence.withdraw(namespace)
  }
}

interface Part {
  keeper: Keeper
  vault: Vault
  log: AuditLog
}

async function openPart(namespace: string, options: DeviceOptions): Promise<Part> {
  const {
    data,
    provisions,
    deviceSecret,
    presence,
    clock,
    floor,
    collect,
    storage = (real: Storage) => real,
  } = options
  const vault = await Vault.load({
    storage: storage(directoryStorage(join(data, 'keystore'))),
    namespace,
    floor,
    collect,
  })
  try {
    const directory = join(data, 'audit', namespace)
    await mkdir(directory, { recursive: true, mode: 0o700 })
    const chronicle = new Chronicle()
    const log = await AuditLog.open({
      directory,
      origin: originOf(namespace),
      clock,
      visit: entry => chronicle.visit(entry),
    })
    const accepted = options.acceptGeneration?.get(namespace)
    if (accepted && vault.generation < chronicle.generation && vault.generation === accepted)
      await log.append(acceptance(accepted), { administrative: true })
    else vault.expectGeneration(chronicle.generation)
    const provision = provisions.get(namespace) ?? null
    const keeper = new Keeper({ vault, log, chronicle, provision, deviceSecret, presence, clock })
    return { keeper, vault, log }
  } catch (error) {
    await vault.close()
    throw error
  }
}

/** From here on the log takes the older generation for the newest. */
const acceptance = (generation: number): EntryBody => ({
  agent: '',
  role: '',
  action: 'acceptGeneration',
  outcome: 'allowed',
  detail: { generation },
})

async function close({ vault, log }: Part): Promise<void> {
  await log.close()
  await vault.close()
}
