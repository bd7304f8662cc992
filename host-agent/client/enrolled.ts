/** A device by the name of an enrolment on this machine: what `claviger` itself does before each command. */
import { connectAnywhere } from './anywhere.ts'
import type { Appliance, Patience } from './appliance.ts'
import { connectProfile } from './connect.ts'
import { localWires } from './local-wires.ts'
import { profileDirectory, readProfile } from './profile.ts'
import { fileWitness } from './witness-file.ts'

/** How to connect by name; everything has a default. */
export interface EnrolledOptions {
  /** An address instead of those of the enrolment: `https://192.168.1.5:8443`, `usb:`, `usb:0123456789abcdef`. */
  at?: string
  /** How long a call is tried again while nobody answers; 5 seconds unless told. */
  patience?: Patience
  /** Where enrolments and the agent are looked for; `process.env` unless told. */
  env?: NodeJS.ProcessEnv
}

/**
 * Connects as an enrolment of this machine: over the LAN, or to a dongle through the agent. The device proves that it is the one that was
 * enrolled with, and that its log continues what this machine saw before; how far the log is now is remembered beside the enrolment.
 *
 * @param name - of the enrolment, `till` for `~/.config/claviger/till.json`
 * @param options - everything has a default
 * @throws {@link ConnectionError} `bad-profile` without such an enrolment; `unreachable`, `link-failed` where nobody answers;
 * `device-mismatch`, `certificate-refused`, `log-rolled-back`, `bad-checkpoint`, which no second try mends
 * @throws {@link ApplianceError} what the device refuses, `unknown-agent` for one
 */
export async function connectEnrolled(
  name: string,
  { at, patience, env = process.env }: EnrolledOptions = {},
): Promise<Appliance> {
  const directory = profileDirectory(env)
  const profile = await readProfile(directory, name)
  const options = {
    witness: fileWitness(directory, name),
    open: localWires(env),
    ...(patience ? { patience } : {}),
  }
  return connectAnywhere(at === undefined ? profile : { ...profile, addresses: [at] }, env, there =>
    connectProfile(there, options),
  )
}
