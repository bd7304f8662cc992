/** Unlocking a device with what an enrolment has: its passphrase, its PIN and share, or its share alone. */
import type { State } from '../../protocol/api/routes.ts'
import type { UnlockBody } from '../../protocol/api/schemas.ts'
import type { Appliance } from './appliance.ts'
import type { Profile } from './profile.ts'
import { type Witness, witnessLog } from './witness.ts'

/** What a person has to type for an enrolment to unlock its device. */
export type Typed = 'passphrase' | 'PIN'

/**
 * What an enrolment needs of a person to unlock its device.
 *
 * @param profile - the enrolment
 * @returns what has to be typed: `null` for nothing, `undefined` where the enrolment cannot unlock at all
 */
export function typedFor({ role, hostShare, unattended }: Profile): Typed | null | undefined {
  if (hostShare) return unattended ? null : 'PIN'
  return role === 'administrator' ? 'passphrase' : undefined
}

/**
 * Unlocks, and looks at the log again: only now the device can sign for all of it.
 *
 * @param appliance - connected as that enrolment
 * @param profile - the enrolment
 * @param typed - the passphrase or PIN, as {@link typedFor} says; not used where nothing has to be typed
 * @param witness - the one that the device was connected with
 * @returns the state: `operational`
 * @throws {@link ApplianceError} `unlock-refused`, `slot-destroyed`, `wrong-state`
 * @throws {@link ConnectionError} `log-rolled-back`, `bad-checkpoint`
 */
export async function unlock(
  appliance: Appliance,
  profile: Profile,
  typed: string,
  witness: Witness,
): Promise<State> {
  const { state } = await appliance.unlock(bodyFor(profile, typed))
  if (profile.logKey !== undefined) await witnessLog(appliance, profile.logKey, witness)
  return state
}

function bodyFor({ hostShare, unattended }: Profile, typed: string): UnlockBody {
  if (!hostShare) return { passphrase: typed }
  return unattended ? { hostShare } : { pin: typed, hostShare }
}
