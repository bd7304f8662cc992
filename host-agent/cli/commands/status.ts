/** `claviger status`: every enrolment of this machine and how its device is, and the dongles that nobody is enrolled with. */

import { ClavigerError } from '../../../protocol/api/errors.ts'
import { fromBase64url } from '../../../protocol/bytes.ts'
import { deviceSerial } from '../../../protocol/identity/device-serial.ts'
import { listProfiles, type Profile, profileDirectory, readProfile } from '../../client/profile.ts'
import { COMMON, type Command, readArguments, type Surroundings } from '../command.ts'
import { type SeenDevice, seenDevices } from '../devices/seen.ts'
import { connectHere } from '../session.ts'

interface Row {
  enrolment: string
  role: string
  device: string
  address: string
  state: string
  /** What is wrong with the device. */
  reason?: string
  hint?: string
}

/** Where there is no enrolment, or nothing else to say. */
const NONE = '-'

export const command: Command = {
  summary: 'which devices this machine sees and is enrolled with, and how they are',
  usage: `claviger status [--as NAME] [--at ADDRESS] [--json]

Shows every enrolment with its device, whichever wire that is on, and every other dongle that is plugged in. With
"browse": true in settings.json, also the devices that announce themselves on the LAN.
`,

  async run(args, surroundings: Surroundings) {
    const { options } = readArguments(args, COMMON, [])
    const { terminal, env } = surroundings
    const directory = profileDirectory(env)
    const names = options.as ? [options.as] : await listProfiles(directory)
    const profiles = await Promise.all(names.map(name => readProfile(directory, name)))
    const { at } = options
    const isNarrowed = options.as !== undefined || at !== undefined
    const seen = isNarrowed ? [] : await seenDevices(env)
    const rows = await Promise.all(
      profiles.map(profile => look(at ? { ...profile, addresses: [at] } : profile, surroundings)),
    )
    const strangers = seen.filter(({ serial }) => !profiles.some(profile => serialOf(profile) === serial))
    if (options.json) terminal.printJson({ enrolments: rows, devices: seen })
    else if (rows.length + strangers.length === 0) {
      terminal.say('this machine is not enrolled with any device')
      terminal.hint('ask an administrator for an invitation, then: claviger enrol clvi1.…')
    } else {
      terminal.table(
        ['enrolment', 'role', 'device', 'address', 'state'],
        [
          ...rows.map(({ enrolment, role, device, address, state }) => [
            enrolment,
            role,
            device,
            address,
            state,
          ]),
          ...strangers.map(({ serial, address, state }) => [NONE, NONE, serial ?? NONE, address, state]),
        ],
      )
      const hints = [...rows.map(({ enrolment, hint }) => [enrolment, hint]), ...strangers.map(hintOf)]
      for (const [what, hint] of hints) if (hint) terminal.hint(`${what}: ${hint}`)
    }
    return rows.every(({ hint }) => hint === undefined) ? 0 : 1
  },
}

function hintOf({ address, problem, hint }: SeenDevice): [string, string | undefined] {
  return [address, problem && hint ? `${problem}; ${hint}` : (problem ?? hint)]
}

function serialOf({ device }: Profile): string | null {
  const pin = fromBase64url(device)
  return pin?.length === 32 ? deviceSerial(pin) : null
}

async function look(profile: Profile, surroundings: Surroundings): Promise<Row> {
  const { name: enrolment, role, addresses } = profile
  const row: Row = {
    enrolment,
    role,
    device: serialOf(profile) ?? NONE,
    address: addresses.join(' ') || NONE,
    state: '',
  }
  if (profile.claim)
    return { ...row, state: 'waiting', hint: 'provision the device: claviger provision --at ADDRESS' }
  try {
    const appliance = await connectHere(profile, surroundings, {
      patience: { retryFor: 1000 },
      onlyLooks: true,
    })
    try {
      const { state, name, reason } = await appliance.status()
      const device = `${name} (${row.device})`
      return {
        ...row,
        device,
        address: appliance.address,
        state,
        ...(reason ? { reason, hint: reason } : {}),
      }
    } finally {
      await appliance.close()
    }
  } catch (error) {
    if (!(error instanceof ClavigerError)) throw error
    const { code, message, hint } = error
    return { ...row, state: code, hint: hint ? `${message}; ${hint}` : message }
  }
}
