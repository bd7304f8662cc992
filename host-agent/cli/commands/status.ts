/** `claviger status`: every enrolment of this machine, and how its device is. */

import { ClavigerError } from '../../../protocol/api/errors.ts'
import { listProfiles, type Profile, profileDirectory, readProfile } from '../../client/profile.ts'
import { COMMON, type Command, readArguments, type Surroundings } from '../command.ts'
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

export const command: Command = {
  summary: 'which devices this machine is enrolled with, and how they are',
  usage: 'claviger status [--as NAME] [--at ADDRESS] [--json]\n',

  async run(args, surroundings: Surroundings) {
    const { options } = readArguments(args, COMMON, [])
    const { terminal, env } = surroundings
    const directory = profileDirectory(env)
    const names = options.as ? [options.as] : await listProfiles(directory)
    const profiles = await Promise.all(names.map(name => readProfile(directory, name)))
    const rows = await Promise.all(
      profiles.map(profile =>
        look(options.at ? { ...profile, addresses: [options.at] } : profile, surroundings),
      ),
    )
    if (options.json) terminal.printJson({ enrolments: rows })
    else if (rows.length === 0) {
      terminal.say('this machine is not enrolled with any device')
      terminal.hint('ask an administrator for an invitation, then: claviger enrol clvi1.…')
    } else {
      terminal.table(
        ['enrolment', 'role', 'device', 'address', 'state'],
        rows.map(({ enrolment, role, device, address, state }) => [enrolment, role, device, address, state]),
      )
      for (const { enrolment, hint } of rows) if (hint) terminal.hint(`${enrolment}: ${hint}`)
    }
    return rows.every(({ hint }) => hint === undefined) ? 0 : 1
  },
}

async function look(profile: Profile, surroundings: Surroundings): Promise<Row> {
  const { name: enrolment, role, addresses } = profile
  const row: Row = {
    enrolment,
    role,
    device: profile.device.slice(0, 12),
    address: addresses.join(' '),
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
      const device = `${name} (${profile.device.slice(0, 8)})`
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
    return { ...row, state: error.code, hint: error.hint ?? error.message }
  }
}
