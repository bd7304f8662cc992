/** Appliances for tests: three real processes, or one in this process whose wire is a pair of streams. */

import { spawn } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import type { Appliance, Patience } from '../../host-agent/client/appliance.ts'
import { makeCard } from '../../host-agent/client/card.ts'
import { type ConnectOptions, connectProfile, enrol, provision } from '../../host-agent/client/connect.ts'
import type { Profile } from '../../host-agent/client/profile.ts'
import { openWire, type Wire } from '../../host-agent/client/wire.ts'
import type { Role } from '../../protocol/api/routes.ts'
import type { GrantBody } from '../../protocol/api/schemas.ts'
import { fromBase64url } from '../../protocol/bytes.ts'
import type { Invitation } from '../../protocol/identity/invitation.ts'
import { bareNode } from './environment.ts'

export const PASSPHRASE = 'correct horse battery staple'
export const PIN = '246810'

/** What tests ask for. */
export const PURPOSES = ['charge', 'ship', 'contact', 'test']

/** A grant for everything, for ever. */
export const WIDE: Omit<GrantBody, 'agent' | 'key'> = {
  fields: ['*'],
  purposes: PURPOSES,
  reveal: ['full', 'forward'],
  budgets: [],
  hours: null,
}

/** A directory for one test; its path is short, because UNIX socket paths must be. */
export async function temporaryDirectory(
  parent = tmpdir(),
): Promise<{ path: string; remove(): Promise<void> }> {
  const path = await mkdtemp(join(parent, 'clv-'))
  return { path, remove: () => rm(path, { recursive: true, force: true }) }
}

/** Writes `provision.json` and makes the profile of its administrator. */
export async function flashCard(directory: string, address: string): Promise<Profile> {
  const { provisionJson, profile } = makeCard('owner', 'test device')
  await writeFile(join(directory, 'provision.json'), provisionJson)
  return { ...profile, addresses: [address] }
}

/** What every test appliance offers, whichever wire it is on. */
export class TestAppliance {
  readonly #options: ConnectOptions
  readonly #connected: Appliance[] = []
  readonly addresses: string[]
  /** Set by {@link provision}. */
  admin!: Profile

  constructor(addresses: string[], options: ConnectOptions = {}) {
    this.addresses = addresses
    this.#options = options
  }

  async provision(card: Profile): Promise<void> {
    this.admin = await provision({ ...card, addresses: this.addresses }, PASSPHRASE, this.#options)
  }

  /** Connects; closed with {@link close}. */
  async connect(profile: Profile, patience?: Patience): Promise<Appliance> {
    const appliance = await connectProfile(profile, { ...this.#options, ...(patience ? { patience } : {}) })
    this.#connected.push(appliance)
    return appliance
  }

  /** Opens the wire of its first address. */
  wire(): Promise<Wire> {
    return (this.#options.open ?? openWire)(this.addresses[0]!)
  }

  async invite(name: string, role: Role): Promise<Invitation> {
    const admin = await this.connect(this.admin)
    const { secret, expires } = await admin.invite({ name, role, validFor: 3600 })
    return {
      addresses: this.addresses,
      device: fromBase64url(this.admin.device)!,
      namespace: this.admin.namespace,
      name,
      role,
      secret: fromBase64url(secret)!,
      expires,
    }
  }

  /** Enrols an agent that may see everything under these keys, for each of {@link PURPOSES}. */
  async enrol(name: string, role: Role, keys: string[] = [], pin?: string): Promise<Profile> {
    const invitation = await this.invite(name, role)
    const admin = await this.connect(this.admin)
    for (const key of keys) await admin.addGrant({ ...WIDE, agent: name, key })
    return enrol({ invitation, ...(pin ? { pin } : {}) }, this.#options)
  }

  async close(): Promise<void> {
    await Promise.all(this.#connected.map(appliance => appliance.close()))
  }
}

/** The three processes, as `claviger-appliance` starts them. */
export interface Processes {
  appliance: TestAppliance
  /** Everything that the supervisor has printed. */
  lines: string[]
  /** Pid of the supervisor. */
  pid: number
  /** Ms from start to the `ready` line. */
  startedIn: number
  /** The newest pid of a process. */
  pidOf(name: 'keeper' | 'gate' | 'health'): number
  /** Resolves with the next printed line that matches. */
  line(pattern: RegExp): Promise<string>
  stop(): Promise<void>
}

const MAIN = fileURLToPath(new URL('../../appliance/main.ts', import.meta.url))

/**
 * Starts the processes on a data directory.
 *
 * @param options - `lan` as `host:port`, or `network` the path of a `network.json`; `serial` the device end; `netns` a network
 *   namespace to run in; `led` and `button` what stands in for those; argon2id is cheap unless told otherwise
 */
export async function startProcesses(
  data: string,
  {
    lan = '127.0.0.1:0',
    network,
    netns,
    serial,
    host,
    open,
    fullCost = false,
    // All of a test's callers share one address.
    freeRefusals = 100_000,
    led,
    button,
  }: {
    lan?: string
    network?: string
    netns?: string
    serial?: string
    host?: string
    open?: (address: string) => Promise<Wire>
    fullCost?: boolean
    freeRefusals?: number
    led?: string
    button?: string
  } = {},
): Promise<Processes> {
  const started = performance.now()
  const place = network ? ['--network', network] : ['--lan', lan]
  const args = ['--data', data, ...place, ...(serial ? ['--serial', serial] : [])]
  const cost = fullCost ? [] : ['--argon2-memory', '64']
  const free = ['--free-refusals', String(freeRefusals)]
  const panel = [...(led ? ['--led', led] : []), ...(button ? ['--button', button] : [])]
  const [command, argv] = bareNode(MAIN, ...args, ...cost, ...free, ...panel)
  // `ip` becomes the program that it is told to run, so the pid is the supervisor's either way.
  const [program, rest] = netns ? ['ip', ['netns', 'exec', netns, command, ...argv]] : [command, argv]
  const child = spawn(program, rest, { stdio: ['ignore', 'pipe', 'pipe'] })
  const lines: string[] = []
  const waiting = new Set<{ pattern: RegExp; resolve(line: string): void }>()
  for (const stream of [child.stdout, child.stderr])
    createInterface({ input: stream }).on('line', line => {
      lines.push(line)
      for (const entry of waiting)
        if (entry.pattern.test(line)) {
          waiting.delete(entry)
          entry.resolve(line)
        }
    })
  const ended = new Promise<void>(resolve => child.once('exit', () => resolve()))
  // A test that fails before its teardown leaves nothing running.
  const kill = () => child.kill('SIGTERM')
  process.once('exit', kill)
  const line = (pattern: RegExp) =>
    new Promise<string>((resolve, reject) => {
      waiting.add({ pattern, resolve })
      void ended.then(() => reject(new Error(`the appliance ended:\n${lines.join('\n')}`)))
    })
  await line(/: ready, /)
  const startedIn = performance.now() - started
  // On a network that has no address yet there is none to tell.
  const url = /lan (\S+)/.exec(lines.join('\n'))?.[1] ?? ''
  return {
    appliance: new TestAppliance(host ? [host] : [url], open ? { open } : {}),
    lines,
    pid: child.pid!,
    startedIn,
    line,
    pidOf: name => {
      const found = lines.join('\n').matchAll(new RegExp(`\\b${name}=(\\d+)`, 'g'))
      return Number([...found].at(-1)![1])
    },
    stop: async () => {
      process.off('exit', kill)
      kill()
      await ended
    },
  }
}
