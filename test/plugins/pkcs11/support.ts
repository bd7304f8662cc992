/** A device with keys of every kind that PKCS#11 can use, its tokens on a socket, and the stock programs that load p11-kit's client. */
import { spawn } from 'node:child_process'
import { constants, generateKeyPairSync, type KeyObject, publicEncrypt } from 'node:crypto'
import { join } from 'node:path'
import type { Appliance } from '../../../host-agent/client/appliance.ts'
import { handIn } from '../../../host-agent/client/hand-in.ts'
import { House } from '../../../host-agent/plugins/pkcs11/house.ts'
import { servePkcs11 } from '../../../host-agent/plugins/pkcs11/server.ts'
import { contextInfo } from '../../../protocol/envelope/context.ts'
import type { HandedIn } from '../../../protocol/envelope/hand-in.ts'
import { PIN, WIDE } from '../../support/appliance.ts'
import { type InProcess, startInProcess } from '../../support/in-process.ts'
import { PATIENT } from '../../support/requests.ts'

export const CARD = '4242424242424242'
/** What the bound key's values belong to. */
export const PLACE = { field: 'card.number', record: 'cust_cards/42' }
const MULTIARCH = { x64: 'x86_64-linux-gnu', arm64: 'aarch64-linux-gnu' }[process.arch as 'x64' | 'arm64']
/** Where Debian has p11-kit's client, under the root of a system. */
export const CLIENT = `/usr/lib/${MULTIARCH}/pkcs11/p11-kit-client.so`

/** What a test uses. */
export interface Door {
  started: InProcess
  admin: Appliance
  house: House
  /** Of the socket. */
  path: string
  /** Public halves of the imported keys, by name. */
  keys: Record<'bound' | 'plain' | 'sha1' | 'old', KeyObject>
  stop(): Promise<void>
}

/** Starts it; its operator may use every key but one for `charge`, one of them for `ship`, and X25519 for `contact`. */
export async function startDoor({
  pin = PIN,
  directory,
}: {
  pin?: string
  /** Where the socket is; of the device's own unless told. */
  directory?: string
} = {}): Promise<Door> {
  const started = await startInProcess()
  const { appliance } = started
  const admin = await appliance.connect(appliance.admin)
  await admin.changeSettings(PATIENT)
  const form = { separator: '\t', fields: ['card.number'] }
  const give = async (name: string, what: Pick<HandedIn, 'padding'> & Partial<HandedIn>) => {
    const { publicKey, privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })
    const der = privateKey.export({ type: 'pkcs8', format: 'der' })
    await handIn(admin, appliance.admin, { name, ...form, ...what }, der)
    return publicKey
  }
  const keys = {
    bound: await give('bound', { padding: 'oaep-sha256', bound: true }),
    plain: await give('plain', { padding: 'oaep-sha256' }),
    sha1: await give('sha1', { padding: 'oaep', label: 'cards' }),
    old: await give('old', { padding: 'pkcs1', fields: ['', 'card.number', '', 'card.expiry'] }),
  }
  await admin.createKey('raw-p', 'p', 'derive')
  await admin.createKey('raw-x', 'x', 'derive')
  await admin.createKey('orders')
  const profile = await appliance.enrol('desk', 'operator', [], pin)
  const grant = { ...WIDE, agent: 'desk' }
  for (const key of [...Object.keys(keys), 'orders'])
    await admin.addGrant({ ...grant, key, purposes: ['charge'] })
  await admin.addGrant({ ...grant, key: 'plain', purposes: ['ship'] })
  for (const [key, purpose] of [
    ['raw-p', 'charge'],
    ['raw-x', 'contact'],
  ] as const)
    await admin.addGrant({ ...grant, key, purposes: [purpose], reveal: ['derive'] })

  const seen = new Map<string, string>()
  const house = new House({
    profile,
    connect: () => appliance.connect(profile, { retryFor: 0 }),
    witness: {
      place: 'memory',
      read: async () => seen.get('') ?? null,
      write: async checkpoint => void seen.set('', checkpoint),
    },
  })
  const path = join(directory ?? join(started.data, 'p11'), 'pkcs11.sock')
  const served = await servePkcs11(path, house)
  return {
    started,
    admin,
    house,
    path,
    keys,
    stop: async () => {
      await served.close()
      await started.stop()
    },
  }
}

/** A block of RSA-OAEP with SHA-256. @param label - none where it is not bound */
export function encrypt(key: KeyObject, value: string, label?: Uint8Array): Buffer {
  return publicEncrypt(
    {
      key,
      padding: constants.RSA_PKCS1_OAEP_PADDING,
      oaepHash: 'sha256',
      ...(label ? { oaepLabel: Buffer.from(label) } : {}),
    },
    Buffer.from(value),
  )
}

/** The label of a place of the bound key. */
export function labelOf(place = PLACE): Uint8Array {
  return contextInfo({ namespace: 'default', key: 'bound', ...place })
}

/** What a program said. */
export interface Said {
  status: number | null
  stdout: string
  stderr: string
}

/**
 * Runs a program; the server is in this process, so nothing may block it. Ends it after half a minute.
 *
 * @param input - what it is given
 */
export function run(
  program: string,
  args: readonly string[],
  env: NodeJS.ProcessEnv = {},
  input = '',
): Promise<Said> {
  return new Promise((resolve, reject) => {
    const { NODE_OPTIONS: _, ...own } = process.env
    const child = spawn(program, args, { env: { ...own, LC_ALL: 'C', ...env }, timeout: 30_000 })
    const said = { stdout: '', stderr: '' }
    for (const name of ['stdout', 'stderr'] as const)
      child[name].setEncoding('latin1').on('data', text => {
        said[name] += text
      })
    child.stdin.end(input)
    child.once('error', reject)
    child.once('close', status => resolve({ status, ...said }))
  })
}
