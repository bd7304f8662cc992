/** `claviger enrol`: an invitation becomes an enrolment of this machine. */

import { parseInvitation } from '../../../protocol/identity/invitation.ts'
import { enrol } from '../../client/connect.ts'
import { listProfiles, profileDirectory, writeProfile } from '../../client/profile.ts'
import { fileWitness, forgetOtherLog } from '../../client/witness-file.ts'
import { type Command, readArguments, UsageError } from '../command.ts'

export const command: Command = {
  summary: 'enrol this machine with an invitation',
  usage: `claviger enrol INVITATION [--at ADDRESS] [--pin-fd N | --without-pin] [--json]

  INVITATION     the line that starts with clvi1.
  --at ADDRESS   where the device is, if not where the invitation says:
                 https://host:8443 or serial:/dev/ttyACM0
  --pin-fd N     read the new PIN from file descriptor N instead of the terminal
  --without-pin  this machine will not unlock the device
`,

  async run(args, { terminal, env }) {
    const { options, positionals } = readArguments(
      args,
      {
        json: { type: 'boolean' },
        at: { type: 'string' },
        'pin-fd': { type: 'string' },
        'without-pin': { type: 'boolean' },
      },
      ['INVITATION'],
    )
    const invitation = parseInvitation(positionals[0])
    const directory = profileDirectory(env)
    const addresses = options.at ? [options.at] : invitation.addresses
    if (addresses.length === 0)
      throw new UsageError(
        'the invitation does not say where the device is',
        'name it with --at https://host:8443 or --at serial:/dev/ttyACM0',
      )
    if ((await listProfiles(directory)).includes(invitation.name))
      throw new UsageError(
        `this machine has an enrolment ${invitation.name} already`,
        `remove ${invitation.name}.json from ${directory} if it is of no use`,
      )
    const wantsPin = invitation.role === 'operator' && !options['without-pin']
    const pin = wantsPin
      ? await terminal.newSecret('new PIN (4 characters or more)', '--pin-fd', options['pin-fd'])
      : undefined
    const profile = await enrol({ invitation, addresses, ...(pin === undefined ? {} : { pin }) })
    const path = await writeProfile(directory, profile)
    const { name, role, namespace, device } = profile
    await forgetOtherLog(fileWitness(directory, name), profile.logKey!)
    if (options.json) terminal.printJson({ name, role, namespace, device, addresses, file: path })
    else terminal.print(`enrolled as ${name} (${role}) with device ${device.slice(0, 8)}`)
    return 0
  },
}
