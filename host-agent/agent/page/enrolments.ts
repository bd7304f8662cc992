/** The enrolments of this user as the page shows them, each with the link to its device. */
import { ClavigerError } from '../../../protocol/api/errors.ts'
import { fromBase64url } from '../../../protocol/bytes.ts'
import { ConnectionError } from '../../client/errors.ts'
import { listProfiles, type Profile, readProfile } from '../../client/profile.ts'
import type { AgentDevice } from '../../client/tunnel.ts'
import { typedFor } from '../../client/unlock.ts'
import type { Enrolment, Overview } from './api.ts'
import { EnrolmentLink, type LinkOptions } from './link.ts'

/** How long the first look waits for devices to answer, ms. */
const SETTLE_MS = 1500
const PIN_BYTES = 32

/** All of them. */
export class Enrolments {
  readonly #options: LinkOptions
  readonly #links = new Map<string, { text: string; link: EnrolmentLink }>()

  #stopped = false

  constructor(options: LinkOptions) {
    this.#options = options
  }

  /** How they are now; a device that was not connected to is given a moment to answer. */
  async overview(): Promise<Pick<Overview, 'enrolments' | 'strangers'>> {
    const { directory, holder } = this.#options
    const names = await listProfiles(directory)
    for (const name of this.#links.keys()) if (!names.includes(name)) this.#drop(name)
    const links = await Promise.all(names.map(name => this.#link(name).catch(() => null)))
    const known = links.filter(link => link !== null)
    for (const link of known) link.use()
    await Promise.all(known.map(link => link.settled(SETTLE_MS)))
    return { enrolments: known.map(describe), strangers: strangersOf(await holder.list(), known) }
  }

  /** @throws ConnectionError `bad-profile` where there is none of this name */
  async get(name: string): Promise<EnrolmentLink> {
    return this.#link(name)
  }

  async stop(): Promise<void> {
    this.#stopped = true
    await Promise.all([...this.#links.values()].map(({ link }) => link.stop()))
    this.#links.clear()
  }

  /** The link, another one where the enrolment was made anew. */
  async #link(name: string): Promise<EnrolmentLink> {
    const profile = await readProfile(this.#options.directory, name).then(usable)
    const text = JSON.stringify(profile)
    const known = this.#links.get(name)
    if (known?.text === text) return known.link
    this.#drop(name)
    // somebody who was still looking must not begin anew
    if (this.#stopped) throw new ConnectionError('unreachable', 'the agent is ending')
    const link = new EnrolmentLink(profile, this.#options)
    this.#links.set(name, { text, link })
    return link
  }

  #drop(name: string): void {
    void this.#links.get(name)?.link.stop()
    this.#links.delete(name)
  }
}

/** A device that is still to be provisioned has no key by which it could be known. */
function usable(profile: Profile): Profile {
  if (profile.claim === undefined && fromBase64url(profile.device)?.length === PIN_BYTES) return profile
  throw new ClavigerError('bad-profile', `the device of ${profile.name} is still to be provisioned`, {
    hint: 'claviger provision',
  })
}

function describe({ profile, serial, wire, state, purposes, touches, fault }: EnrolmentLink): Enrolment {
  const { name, role, namespace } = profile
  const typed = typedFor(profile)
  return {
    name,
    role,
    namespace,
    serial,
    wire: state === null ? null : wire,
    state,
    asks: typed === 'PIN' ? 'pin' : typed === 'passphrase' ? 'passphrase' : 'nothing',
    purposes: role === 'operator' ? purposes : [],
    waitsForTouch: touches,
    ...(fault ? { problem: fault.message } : {}),
    ...(fault?.hint ? { hint: fault.hint } : {}),
  }
}

/** What is plugged in and nobody here is enrolled with. */
export function strangersOf(
  devices: readonly AgentDevice[],
  links: readonly Pick<EnrolmentLink, 'serial'>[],
): Overview['strangers'] {
  return devices
    .filter(({ path, serial, proved }) => {
      const isKnown = serial !== null && links.some(link => link.serial === serial)
      return !path.startsWith('https://') && (!isKnown || proved === false)
    })
    .map(({ path, serial, problem, hint }) => ({
      path,
      serial,
      ...(problem ? { problem } : {}),
      ...(hint ? { hint } : {}),
    }))
}
