/** The device with all that a program of ours does to reach it: every address, the LAN, patience, and a PIN where it is locked. */
import { connectAnywhere } from '../../client/anywhere.ts'
import { connectProfile } from '../../client/connect.ts'
import { ApplianceError, ConnectionError } from '../../client/errors.ts'
import { localWires } from '../../client/local-wires.ts'
import type { Profile } from '../../client/profile.ts'
import { withTouch } from '../../client/touch.ts'
import { typedFor, unlock } from '../../client/unlock.ts'
import type { Witness } from '../../client/witness.ts'
import type { Asking, Person } from './device.ts'

/** Connects; asks for a PIN when a request meets a locked device, and only then. */
export async function connectLong(
  profile: Profile,
  env: NodeJS.ProcessEnv,
  person: Person,
  witness: Witness,
): Promise<{ decrypt: Asking; watchAll: Parameters<typeof withTouch>[0]['watchAll']; close: () => void }> {
  const options = { open: localWires(env), witness }
  const appliance = await connectAnywhere(profile, env, there => connectProfile(there, options))
  const say = (text: string) => void person.say(text).catch(() => {})
  const decrypt: Asking = body => withTouch(appliance, say, () => appliance.decrypt(body))
  return {
    decrypt: async body => {
      try {
        return await decrypt(body)
      } catch (error) {
        if (!(error instanceof ApplianceError) || error.state !== 'locked') throw error
        await unlock(appliance, profile, await typed(profile, person), witness)
        return decrypt(body)
      }
    },
    watchAll: (...told) => appliance.watchAll(...told),
    close: () => void appliance.close().catch(() => {}),
  }
}

/** @throws ConnectionError where nothing can be typed, or nobody is there to type it */
async function typed(profile: Profile, person: Person): Promise<string> {
  const what = typedFor(profile)
  if (what === null) return ''
  const text = what && (await person.secret(`${what} of ${profile.name}, to unlock the device`))
  if (text) return text
  throw new ConnectionError('bad-profile', 'the device is locked', { hint: 'unlock it with claviger unlock' })
}
