/** A device that is not where it was is looked for on the LAN, where settings.json says so; it has to prove its key there, too. */
import { ClavigerError } from '../../protocol/api/errors.ts'
import { fromBase64url } from '../../protocol/bytes.ts'
import { deviceSerial } from '../../protocol/identity/device-serial.ts'
import { type Profile, profileDirectory } from './profile.ts'

/**
 * Connects where the enrolment says, and otherwise where its device announces itself.
 *
 * @param connect - at the addresses of what it is given
 * @throws what `connect` throws
 */
export async function connectAnywhere<T>(
  profile: Profile,
  env: NodeJS.ProcessEnv,
  connect: (profile: Profile) => Promise<T>,
): Promise<T> {
  try {
    return await connect(profile)
  } catch (error) {
    const isElsewhere = error instanceof ClavigerError && error.code === 'unreachable'
    const addresses = isElsewhere ? await announced(profile, env) : []
    if (addresses.length === 0) throw error
    return connect({ ...profile, addresses })
  }
}

/** Where the profile's device announces itself, if this machine is to look. */
async function announced({ device }: Profile, env: NodeJS.ProcessEnv): Promise<string[]> {
  const { readSettings } = await import('./settings.ts')
  const { browse: isWanted } = await readSettings(profileDirectory(env))
  if (!isWanted) return []
  const { browse, lanAddresses } = await import('./discovery.ts')
  const serial = deviceSerial(fromBase64url(device)!)
  return lanAddresses(serial, await browse({ serials: [serial] }))
}
