/** Which enrolment a command uses, and the connection to its device. */

import { ClavigerError } from '../../protocol/api/errors.ts'
import type { Role } from '../../protocol/api/routes.ts'
import { connectAnywhere } from '../client/anywhere.ts'
import type { Appliance, Patience } from '../client/appliance.ts'
import { connectProfile } from '../client/connect.ts'
import { localWires } from '../client/local-wires.ts'
import { listProfiles, type Profile, profileDirectory, readProfile } from '../client/profile.ts'
import { fileWitness } from '../client/witness-file.ts'
import { type Surroundings, UsageError } from './command.ts'

/** `--as` and `--at`, as every command takes them. */
export interface Choice {
  /** Name of the enrolment. */
  as?: string | undefined
  /** Address to use instead of the enrolment's. */
  at?: string | undefined
}

/**
 * The enrolment to use: the one that is named, or the only one with a fitting role, an administrator's before others.
 *
 * @throws UsageError when that leaves none or several
 */
export async function chooseProfile(
  { as, at }: Choice,
  { env }: Surroundings,
  roles?: readonly Role[],
): Promise<Profile> {
  const directory = profileDirectory(env)
  const profile = as ? await readProfile(directory, as) : await onlyProfile(directory, roles)
  return at ? { ...profile, addresses: [at] } : profile
}

async function onlyProfile(directory: string, roles: readonly Role[] | undefined): Promise<Profile> {
  const names = await listProfiles(directory)
  if (names.length === 0)
    throw new UsageError(
      'this machine is not enrolled with any device',
      'ask an administrator for an invitation, then: claviger enrol clvi1.…',
    )
  const profiles = await Promise.all(names.map(name => readProfile(directory, name)))
  const able = roles ? profiles.filter(({ role }) => roles.includes(role)) : profiles
  // Where an operator may too, the two are asked for different secrets, so nothing is guessed.
  const fitting = roles?.includes('operator') ? able : preferred(able)
  if (fitting.length === 1) return fitting[0]!
  if (fitting.length === 0)
    throw new UsageError(
      `no enrolment here is one of ${roles!.join(' or ')}`,
      `there are: ${profiles.map(({ name, role }) => `${name} (${role})`).join(', ')}`,
    )
  throw new UsageError(
    'several enrolments are possible',
    `choose one with --as: ${fitting.map(({ name }) => name).join(', ')}`,
  )
}

/** Where several roles will do, an administrator's enrolment goes first. */
function preferred(profiles: Profile[]): Profile[] {
  const administrators = profiles.filter(({ role }) => role === 'administrator')
  return administrators.length > 0 ? administrators : profiles
}

/** How a command connects. */
export interface Connecting {
  patience?: Patience
  /** It only looks, so a device whose log is damaged is told of and looked at all the same. */
  onlyLooks?: boolean
}

/**
 * Connects as this machine's enrolment, which remembers how far the device's log was. A device that is not where it was
 * is looked for on the LAN, where settings.json says so.
 */
export async function connectHere(
  profile: Profile,
  { env, terminal }: Surroundings,
  { patience, onlyLooks = false }: Connecting = {},
): Promise<Appliance> {
  const connecting: Connecting = { onlyLooks, ...(patience ? { patience } : {}) }
  return connectAnywhere(profile, env, there => connectAt(there, { env, terminal }, connecting))
}

async function connectAt(
  profile: Profile,
  { env, terminal }: Pick<Surroundings, 'env' | 'terminal'>,
  { patience, onlyLooks }: Connecting,
): Promise<Appliance> {
  const witness = fileWitness(profileDirectory(env), profile.name)
  const options = { open: localWires(env), ...(patience ? { patience } : {}) }
  try {
    return await connectProfile(profile, { witness, ...options })
  } catch (error) {
    if (!onlyLooks || !(error instanceof ClavigerError) || error.code !== 'audit-damaged') throw error
    terminal.say('the audit log of the device is damaged, so it proves nothing of what follows')
    return connectProfile(profile, options)
  }
}

/** Connects, hands over, and closes whatever happens. */
export async function withAppliance<T>(
  profile: Profile,
  surroundings: Surroundings,
  use: (appliance: Appliance) => Promise<T>,
  connecting?: Connecting,
): Promise<T> {
  const appliance = await connectHere(profile, surroundings, connecting)
  try {
    return await use(appliance)
  } finally {
    await appliance.close()
  }
}
