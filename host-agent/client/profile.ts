/**
 * Profiles: what an enrolment leaves on this machine, one file each, readable by its user only. A profile holds the
 * machine's private key and host share, so it is as good as a badge: with the PIN it opens the device.
 */
import { chmod, mkdir, open, readdir, readFile, rename } from 'node:fs/promises'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { ROLES, type Role } from '../../protocol/api/routes.ts'
import { fromBase64url } from '../../protocol/bytes.ts'
import { isName } from '../../protocol/envelope/context.ts'
import { ConnectionError } from './errors.ts'
import type { Credentials } from './identity.ts'

/** One enrolment. */
export interface Profile extends Credentials {
  /** Name of the agent on the device, and of the file. */
  name: string
  role: Role
  namespace: string
  /** Pin of the device, base64url. */
  device: string
  /** Where it answers; the first that does is used. */
  addresses: string[]
  /** Verifier key of the device's audit log (docs/formats/audit.md), pinned when this machine enrolled. */
  logKey?: string
  /** 32 bytes, base64url; there is one where the enrolment can unlock without a passphrase. */
  hostShare?: string
  /** The share alone unlocks the device: nobody types a PIN. */
  unattended?: boolean
  /** Claim secret, base64url, until the device is provisioned; then `device` is empty. */
  claim?: string
}

/**
 * The directory of profiles: `$CLAVIGER_HOME`, else `claviger` in the user's configuration directory.
 *
 * @param env - `process.env`
 */
export function profileDirectory(env: NodeJS.ProcessEnv): string {
  // empty is not set
  return env.CLAVIGER_HOME || join(env.XDG_CONFIG_HOME ?? join(homedir(), '.config'), 'claviger')
}

/** A file beside the profiles that is none of them, so no enrolment can have its name. */
export const RESERVED_NAME = 'settings'

/**
 * Names of all profiles, sorted.
 *
 * @param directory - as {@link profileDirectory} says
 */
export async function listProfiles(directory: string): Promise<string[]> {
  const files = await readdir(directory).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return []
    throw error
  })
  const names = files.flatMap(file => (file.endsWith('.json') ? [file.slice(0, -5)] : []))
  return names.filter(name => name !== RESERVED_NAME).sort()
}

/**
 * Reads a profile.
 *
 * @param directory - as {@link profileDirectory} says
 * @throws {@link ConnectionError} `bad-profile`
 */
export async function readProfile(directory: string, name: string): Promise<Profile> {
  const path = join(directory, `${name}.json`)
  const hint = 'enrol again with a new invitation'
  const text = isName(name) ? await readFile(path, 'utf8').catch(() => null) : null
  if (text === null)
    throw new ConnectionError('bad-profile', `there is no enrolment named ${name} here`, {
      hint: 'see claviger status',
    })
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch (cause) {
    throw new ConnectionError('bad-profile', `${path} is not JSON`, { cause, hint })
  }
  if (!isProfile(value) || value.name !== name)
    throw new ConnectionError('bad-profile', `${path} is not an enrolment`, { hint })
  return value
}

function isProfile(value: unknown): value is Profile {
  if (typeof value !== 'object' || value === null) return false
  const v = value as Record<string, unknown>
  const isText = (text: unknown) => typeof text === 'string'
  const isShare = (share: unknown) =>
    share === undefined || (isText(share) && fromBase64url(share as string)?.length === 32)
  return (
    isName(v.name) &&
    isName(v.namespace) &&
    (ROLES as readonly unknown[]).includes(v.role) &&
    [v.key, v.certificate, v.device].every(isText) &&
    Array.isArray(v.addresses) &&
    v.addresses.every(isText) &&
    (v.logKey === undefined || isText(v.logKey)) &&
    isShare(v.hostShare) &&
    (v.unattended === undefined || typeof v.unattended === 'boolean') &&
    isShare(v.claim)
  )
}

/** Writes a profile atomically, mode 0600. */
export async function writeProfile(directory: string, profile: Profile): Promise<string> {
  await mkdir(directory, { recursive: true, mode: 0o700 })
  await chmod(directory, 0o700)
  const path = join(directory, `${profile.name}.json`)
  const file = await open(`${path}.new`, 'w', 0o600)
  try {
    await file.writeFile(`${JSON.stringify(profile, null, 2)}\n`)
    await file.sync()
  } finally {
    await file.close()
  }
  await rename(`${path}.new`, path)
  return path
}
