/** What the agent does for a device that greets: finds its enrolments, has it prove its key, and unlocks it. */
import { ClavigerError } from '../../protocol/api/errors.ts'
import type { Appliance } from '../client/appliance.ts'
import { connectProfile } from '../client/connect.ts'
import { ConnectionError } from '../client/errors.ts'
import { listProfiles, type Profile, readProfile } from '../client/profile.ts'
import { typedFor, unlock } from '../client/unlock.ts'
import { fileWitness } from '../client/witness-file.ts'
import type { Dongle } from './dongle.ts'

/** Wrong PINs before the agent leaves it to the person to start again: the device counts them for good. */
const TRIES = 3

/** What attending needs. */
export interface AttendantOptions {
  /** Of the profiles. */
  directory: string
  /** Tells the person, or the journal, one line. */
  tell(line: string): void
  /**
   * Asks for a PIN, where there is somebody to ask.
   *
   * @returns `null` when it was not answered, or not any more when `signal` fired
   */
  askPin?(prompt: string, signal: AbortSignal): Promise<string | null>
}

/** Attends to dongles as they greet. */
export class Attendant {
  readonly #options: AttendantOptions
  /** What goes on for a dongle, to be ended when it greets anew or goes away. */
  readonly #underWay = new Map<Dongle, AbortController>()
  /** A person types one PIN at a time. */
  #asking: Promise<unknown> = Promise.resolve()

  constructor(options: AttendantOptions) {
    this.#options = options
  }

  /** Ends all of it. */
  stop(): void {
    for (const each of this.#underWay.values()) each.abort()
  }

  /** The dongle is gone. */
  gone(dongle: Dongle): void {
    this.#underWay.get(dongle)?.abort()
    this.#underWay.delete(dongle)
  }

  /**
   * Takes a greeting. Only a device that has just started or been plugged in is unlocked: what a person locks stays so.
   *
   * @param restarted - whether it is not just a change of state
   */
  async attend(dongle: Dongle, restarted: boolean): Promise<void> {
    const { tell } = this.#options
    if (!restarted) {
      tell(`${dongle.path}: the device is ${dongle.state}`)
      if (dongle.state !== 'locked') this.#underWay.get(dongle)?.abort()
      return
    }
    this.gone(dongle)
    const controller = new AbortController()
    this.#underWay.set(dongle, controller)
    try {
      await this.#welcome(dongle, controller.signal)
    } catch (error) {
      // also what the disk says, such as that it is full: one dongle's trouble must not end the others
      if (!controller.signal.aborted) this.#tellError(dongle, error as Error & { hint?: string })
    }
  }

  async #welcome(dongle: Dongle, signal: AbortSignal): Promise<void> {
    const { tell } = this.#options
    const { hello } = dongle
    const profiles = (await this.#profiles()).filter(profile => profile.device === dongle.device)
    if (dongle.hello !== hello) return
    dongle.enrolments = profiles.map(({ name }) => name)
    const who = `device ${dongle.serial ?? 'without a serial number'}`
    if (profiles.length === 0) {
      tell(`${dongle.path}: ${who} is ${dongle.state}; this user is not enrolled with it`)
      return
    }
    for (const profile of profiles) {
      if (dongle.hello?.epoch !== hello?.epoch || dongle.proved === false) return
      try {
        await this.#serve(dongle, profile, signal)
      } catch (error) {
        if (!(error instanceof ClavigerError)) throw error
        if (signal.aborted) return
        this.#tellError(dongle, error, profile)
        if (error instanceof ConnectionError && error.code === 'device-mismatch') {
          dongle.proved = false
          dongle.fault = error
        }
      }
    }
  }

  /** Proves and unlocks with one enrolment. */
  async #serve(dongle: Dongle, profile: Profile, signal: AbortSignal): Promise<void> {
    const { tell, directory } = this.#options
    const witness = fileWitness(directory, profile.name)
    const appliance = await connectProfile(
      { ...profile, addresses: [`serial:${dongle.path}`] },
      { witness, open: async () => dongle.wire, patience: { retryFor: 2000 } },
    )
    try {
      const { state } = await appliance.status()
      if (dongle.proved === null) {
        dongle.proved = true
        tell(
          `${dongle.path}: device ${dongle.serial} is ${state}; enrolled as ${dongle.enrolments.join(', ')}`,
        )
      }
      if (state === 'locked') await this.#unlock(dongle, profile, appliance, signal)
    } finally {
      await appliance.close()
    }
  }

  async #unlock(dongle: Dongle, profile: Profile, appliance: Appliance, signal: AbortSignal): Promise<void> {
    const { tell, directory, askPin } = this.#options
    const typed = typedFor(profile)
    const witness = fileWitness(directory, profile.name)
    if (typed === null) {
      const state = await unlock(appliance, profile, '', witness)
      tell(`${dongle.path}: unlocked for ${profile.name} with the share of this machine; it is ${state}`)
      return
    }
    // A passphrase opens all that an administrator may do: the agent never asks for it.
    if (typed !== 'PIN') return
    if (!askPin) {
      tell(`${dongle.path}: it is locked; type the PIN with: claviger unlock --as ${profile.name}`)
      return
    }
    for (let tries = 0; tries < TRIES; tries++) {
      const pin = await this.#ask(() => askPin(`PIN of ${profile.name} for ${dongle.serial}`, signal))
      if (pin === null || signal.aborted) return
      try {
        const state = await unlock(appliance, profile, pin, witness)
        tell(`${dongle.path}: unlocked for ${profile.name}; it is ${state}`)
        return
      } catch (error) {
        if (!(error instanceof ClavigerError) || error.code !== 'unlock-refused') throw error
        this.#tellError(dongle, error, profile)
      }
    }
    tell(`${dongle.path}: still locked; try again with: claviger unlock --as ${profile.name}`)
  }

  #ask<T>(ask: () => Promise<T>): Promise<T> {
    const answer = this.#asking.then(ask)
    this.#asking = answer.catch(() => {})
    return answer
  }

  async #profiles(): Promise<Profile[]> {
    const { directory, tell } = this.#options
    const names = await listProfiles(directory)
    const read = names.map(name =>
      readProfile(directory, name).catch((error: Error) => {
        tell(error.message)
        return null
      }),
    )
    return (await Promise.all(read)).filter(
      profile => profile !== null && profile.claim === undefined,
    ) as Profile[]
  }

  #tellError(
    dongle: Dongle,
    { message, hint }: Error & { hint?: string | undefined },
    profile?: Profile,
  ): void {
    const whose = profile ? ` (${profile.name})` : ''
    this.#options.tell(`${dongle.path}${whose}: ${message}${hint ? `; ${hint}` : ''}`)
  }
}
