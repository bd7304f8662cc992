/** What comes right after a device became somebody's: its first key, and the recovery sheet for the safe. */
import { join } from 'node:path'
import { ClavigerError } from '../../protocol/api/errors.ts'
import type { KeyInfo } from '../../protocol/api/schemas.ts'
import { fromBase64url } from '../../protocol/bytes.ts'
import { deviceSerial } from '../../protocol/identity/device-serial.ts'
import { type Profile, profileDirectory } from '../client/profile.ts'
import { type Surroundings, UsageError } from './command.ts'
import { withAppliance } from './session.ts'
import { openUnnamed, type SheetFile } from './sheet/file.ts'
import { recoverySheet } from './sheet/sheet.ts'
import { utcDay } from './time.ts'

/** What the device said and made. */
export interface Beginning {
  /** Name of the device, for people; `null` where it did not say. */
  readonly name: string | null
  readonly key: KeyInfo | null
  /** Why there is no key, although one was wanted. */
  readonly failure: ClavigerError | null
}

/**
 * Asks the new device for its name, and makes the first key.
 *
 * @param key - its name; `undefined` for none
 */
export async function begin(
  profile: Profile,
  key: string | undefined,
  surroundings: Surroundings,
): Promise<Beginning> {
  let name: string | null = null
  try {
    return await withAppliance(profile, surroundings, async appliance => {
      name = (await appliance.status()).name
      return { name, key: key === undefined ? null : await appliance.createKey(key), failure: null }
    })
  } catch (error) {
    if (!(error instanceof ClavigerError)) throw error
    return { name, key: null, failure: key === undefined ? null : error }
  }
}

/**
 * Writes the recovery sheet.
 *
 * @param file - `unnamed` for one in this directory, or beside the enrolments where that cannot be written
 * @returns its path, or `null` where it could not be written, which is said
 */
export async function writeSheet(
  file: SheetFile | 'unnamed',
  profile: Profile,
  { name, key }: Beginning,
  { env, terminal }: Surroundings,
): Promise<string | null> {
  const directory = profileDirectory(env)
  const pin = fromBase64url(profile.device)!
  const device = name ?? deviceSerial(pin)
  try {
    const open =
      file === 'unnamed' ? await openUnnamed([process.cwd(), directory], device, profile.namespace) : file
    await open.write(
      recoverySheet({
        device,
        pin,
        namespace: profile.namespace,
        administrator: profile.name,
        enrolment: join(directory, `${profile.name}.json`),
        addresses: profile.addresses,
        date: utcDay(Date.now() / 1000),
        logKey: profile.logKey,
        key: key && { name: key.name, publicKey: key.versions.at(-1)!.publicKey },
      }),
    )
    return open.path
  } catch (error) {
    const { message, code } = error as NodeJS.ErrnoException
    if (!(error instanceof UsageError) && code === undefined) throw error
    terminal.say(`there is no recovery sheet: ${message}`)
    return null
  }
}
