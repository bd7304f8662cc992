/** The key process alone, over its socket, for tests that kill it: one client that stands for the gate, and callers. */
import { type ChildProcess, spawn } from 'node:child_process'
import { hash, randomBytes, X509Certificate } from 'node:crypto'
import { once } from 'node:events'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { KeeperClient } from '../../appliance/keeper/rpc/client.ts'
import type { Caller, Method, NewTyped, Params, Results } from '../../appliance/keeper/rpc/messages.ts'
import { invitedCredentials } from '../../host-agent/client/identity.ts'
import { readCertificate, spkiPin } from '../../protocol/identity/certificate.ts'
import type { Invitation } from '../../protocol/identity/invitation.ts'
import { flashCard } from '../support/appliance.ts'
import { bareNode } from '../support/environment.ts'

const MAIN = fileURLToPath(new URL('../../appliance/keeper/main.ts', import.meta.url))
const CACHE = fileURLToPath(new URL('../../node_modules/.cache/claviger', import.meta.url))

/** What the gate would have made of a passphrase. */
const STRETCHED = hash('sha256', 'a passphrase', 'buffer')
const PASSPHRASE: NewTyped = { output: STRETCHED, m: 64, t: 3, p: 1, salt: new Uint8Array(16) }
const AUTHORITY = { namespace: 'default', role: 'authority', name: 'claviger' }

/** A keeper's data, on which processes come and go. */
export class KeeperHome {
  readonly data: string
  #owner!: Caller

  private constructor(data: string) {
    this.data = data
  }

  /** Provisions a keeper in an empty directory; it is stopped again. */
  static async provision(data: string): Promise<KeeperHome> {
    const home = new KeeperHome(data)
    const profile = await flashCard(data, '')
    await writeFile(join(data, 'device-secret'), randomBytes(32))
    const pin = spkiPin(new X509Certificate(profile.certificate).publicKey)
    const subject = { namespace: 'default', role: 'administrator', name: 'owner' }
    const process = await home.start()
    await process.call('provision', { pin, ...subject, issuer: subject }, { passphrase: PASSPHRASE })
    home.#owner = { pin, ...subject, issuer: AUTHORITY }
    await process.stop()
    return home
  }

  /** The administrator, as the gate would name it. */
  get owner(): Caller {
    return { ...this.#owner, pin: Uint8Array.from(this.#owner.pin) }
  }

  async start(): Promise<KeeperProcess> {
    const socket = join(this.data, 'keeper.sock')
    const files = [
      '--data',
      this.data,
      '--socket',
      socket,
      '--device-secret',
      join(this.data, 'device-secret'),
    ]
    const child = spawn(
      ...bareNode(MAIN, ...files, '--provision', join(this.data, 'provision.json'), '--argon2-memory', '64'),
      { stdio: ['ignore', 'pipe', 'inherit'], env: { ...process.env, NODE_COMPILE_CACHE: CACHE } },
    )
    await once(child.stdout, 'data')
    const client = new KeeperClient(socket)
    client.connect()
    await once(client, 'up')
    return new KeeperProcess(child, client)
  }

  unlock(process: KeeperProcess): Promise<unknown> {
    return process.call('unlock', this.owner, { passphrase: STRETCHED })
  }

  /** Enrols an operator. */
  async enrol(process: KeeperProcess, name: string): Promise<Caller> {
    const role = 'operator' as const
    const { secret } = await process.call('invite', this.owner, {
      ...{ name, role, validFor: 3600, unattended: false },
    })
    const invitation: Invitation = {
      ...{ namespace: 'default', name, role, secret },
      ...{ expires: 0, addresses: [], device: secret },
    }
    const shown = new Uint8Array(new X509Certificate(invitedCredentials(invitation).certificate).raw)
    const pin = spkiPin(readCertificate(shown).certificate.publicKey)
    const invited: Caller = {
      ...{ pin, namespace: 'default', role, name },
      issuer: { namespace: 'default', role: 'invitation', name },
    }
    await process.call('enrol', invited, { certificate: shown, staff: null })
    return { ...invited, issuer: AUTHORITY }
  }
}

export class KeeperProcess {
  readonly #child: ChildProcess
  readonly #client: KeeperClient

  constructor(child: ChildProcess, client: KeeperClient) {
    this.#child = child
    this.#client = client
  }

  call<M extends Method>(method: M, caller: Caller, params: Params<M>): Promise<Results[M]> {
    return this.#client.call(method, caller, params)
  }

  /** Ends the process without a word. */
  async kill(): Promise<void> {
    const ended = once(this.#child, 'exit')
    this.#child.kill('SIGKILL')
    await ended
    this.#client.close()
  }

  async stop(): Promise<void> {
    const ended = once(this.#child, 'exit')
    this.#child.kill('SIGTERM')
    await ended
    this.#client.close()
  }
}
