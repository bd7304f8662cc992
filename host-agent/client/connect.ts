/** From a profile, an invitation or a claim to a connected appliance. */
import { randomBytes } from 'node:crypto'
import type { Certificates, EnrolBody } from '../../protocol/api/schemas.ts'
import { fromBase64url, toBase64url } from '../../protocol/bytes.ts'
import { toPem } from '../../protocol/identity/certificate.ts'
import { verifyClaim } from '../../protocol/identity/claim.ts'
import { deviceSerial } from '../../protocol/identity/device-serial.ts'
import type { Invitation } from '../../protocol/identity/invitation.ts'
import { Appliance, type Patience } from './appliance.ts'
import { ConnectionError } from './errors.ts'
import { pinned } from './handshake.ts'
import { type Credentials, invitedCredentials } from './identity.ts'
import type { Profile } from './profile.ts'
import { openWire, type Wire } from './wire.ts'
import { readLogKey, type Witness, witnessLog } from './witness.ts'

/** How to connect; everything has a default. */
export interface ConnectOptions {
  /** How long a call is tried again while nobody answers; 5 seconds unless told. */
  patience?: Patience
  /** Opens an address: `https://` and `serial:` unless told, those of this machine's agent too with {@link localWires}. */
  open?(address: string): Promise<Wire>
  /** Remembers the newest checkpoint of the audit log; without one the log is not looked at. */
  witness?: Witness
}

/**
 * Connects as an enrolled agent, at the first of its addresses that answers. With a witness, the device's log must
 * continue what was seen before.
 *
 * @throws {@link ConnectionError} `bad-profile`, `unreachable`, `link-failed`, `device-mismatch`, `certificate-refused`, `bad-response`; with
 * a witness also `log-rolled-back` and `bad-checkpoint`
 * @throws {@link ApplianceError} what the device refuses, `unknown-agent` for one
 */
export async function connectProfile(profile: Profile, options: ConnectOptions = {}): Promise<Appliance> {
  const pin = fromBase64url(profile.device)
  if (pin?.length !== 32)
    throw new ConnectionError('bad-profile', `the enrolment ${profile.name} has no device yet`, {
      hint: 'provision the device first',
    })
  const appliance = await firstThatAnswers(profile.addresses, profile, pin, options)
  const { logKey } = profile
  // An enrolment from before there was a log has pinned none.
  if (!options.witness || logKey === undefined) return appliance
  try {
    await witnessLog(appliance, logKey, options.witness)
    return appliance
  } catch (error) {
    await appliance.close()
    throw error
  }
}

async function firstThatAnswers(
  addresses: readonly string[],
  credentials: Credentials,
  pin: Uint8Array,
  { patience, open = openWire }: ConnectOptions,
): Promise<Appliance> {
  let failure: unknown = new ConnectionError('unreachable', 'no address of the device is known', {
    hint: 'name one with --at',
  })
  for (const address of addresses) {
    const last = address === addresses.at(-1)
    const appliance = new Appliance(await open(address), credentials, pinned(pin), patience)
    if (last) return appliance
    try {
      await appliance.status()
      return appliance
    } catch (error) {
      await appliance.close()
      failure = error
    }
  }
  throw failure
}

/** What a new agent decides for itself. */
export interface Enrolment {
  invitation: Invitation
  /** Addresses to use instead of the invitation's. */
  addresses?: string[]
  /** Makes a staff slot: this PIN unlocks the device from this machine. */
  pin?: string
  /** Makes an unattended slot: this machine unlocks the device without a person, where the invitation allows it. */
  unattended?: boolean
}

/**
 * Turns an invitation into a profile. The machine's key and host share are made here; the secret stays here.
 *
 * @throws ConnectionError `certificate-refused` when the invitation was used or has expired; `device-mismatch`
 * @throws ApplianceError `invitation-refused`, `wrong-state`, `agent-exists`
 */
export async function enrol(
  { invitation, addresses = invitation.addresses, pin, unattended = false }: Enrolment,
  options: ConnectOptions = {},
): Promise<Profile> {
  const credentials = invitedCredentials(invitation)
  const appliance = await firstThatAnswers(addresses, credentials, invitation.device, options)
  try {
    await appliance.status()
    const hostShare = pin !== undefined || unattended ? toBase64url(randomBytes(32)) : undefined
    const slot = pin === undefined ? { hostShare } : { pin, hostShare }
    const issued = await appliance.enrol(hostShare ? (slot as EnrolBody) : {})
    return {
      name: issued.name,
      role: issued.role,
      namespace: issued.namespace,
      device: toBase64url(invitation.device),
      addresses: lasting(addresses, invitation.device),
      key: credentials.key,
      certificate: toPem(fromBase64url(issued.certificate)!),
      logKey: logKeyOf(issued),
      ...(hostShare ? { hostShare, unattended: pin === undefined } : {}),
    }
  } finally {
    await appliance.close()
  }
}

/**
 * Makes the first administrator of a device that was just flashed, from the profile that flashing left here.
 *
 * @returns the profile with the device's pin and the certificate of its authority
 * @throws ConnectionError `device-mismatch` when the device does not hold the claim secret
 */
export async function provision(
  profile: Profile,
  passphrase: string,
  { patience, open = openWire }: ConnectOptions = {},
): Promise<Profile> {
  const claim = profile.claim ? fromBase64url(profile.claim) : null
  if (!claim)
    throw new ConnectionError('bad-profile', `${profile.name} has no claim on a device`, {
      hint: 'it was provisioned already',
    })
  let seen: Uint8Array | undefined
  const check = (pin: Uint8Array) => {
    if (seen) pinned(seen)(pin)
    seen = pin
  }
  const appliance = new Appliance(await open(profile.addresses[0] ?? ''), profile, check, patience)
  try {
    const { claim: told } = await appliance.status()
    // Nobody knows yet who answers.
    const proof = typeof told === 'string' ? fromBase64url(told) : null
    if (!seen || !proof || !verifyClaim(claim, seen, proof))
      throw new ConnectionError('device-mismatch', 'the device does not hold the claim secret of its card', {
        hint: 'is this the device whose card you flashed?',
      })
    const issued = await appliance.provision(passphrase)
    const { claim: _, ...kept } = profile
    return {
      ...kept,
      name: issued.name,
      device: toBase64url(seen!),
      addresses: lasting(kept.addresses, seen!),
      certificate: toPem(fromBase64url(issued.certificate)!),
      logKey: logKeyOf(issued),
    }
  } finally {
    await appliance.close()
  }
}

/** A dongle that was the only one when it was enrolled with may not stay so: from now on it is named. */
function lasting(addresses: readonly string[], device: Uint8Array): string[] {
  return addresses.map(address => (address === 'usb:' ? `usb:${deviceSerial(device)}` : address))
}

/** @throws ConnectionError `bad-response` */
function logKeyOf({ logKey }: Certificates): string {
  try {
    readLogKey(logKey)
    return logKey
  } catch (cause) {
    throw new ConnectionError('bad-response', 'the device did not say which key signs its log', { cause })
  }
}
