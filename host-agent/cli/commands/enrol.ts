/** `claviger enrol`: an invitation becomes an enrolment of this machine. */

import { parseInvitation } from '../../../protocol/identity/invitation.ts'
import { enrol } from '../../client/connect.ts'
import { localWires } from '../../client/local-wires.ts'
import { listProfiles, profileDirectory, RESERVED_NAME, writeProfile } from '../../client/profile.ts'
import { fileWitness, forgetOtherLog } from '../../client/witness-file.ts'
import { type Command, readArguments, UsageError } from '../command.ts'

export const command: Command = {
  summary: 'enrol this machine with an invitation',
  usage: `claviger enrol INVITATION [--at ADDRESS] [--pin-fd N | --without-pin | --unattended] [--json]

  INVITATION     the line that starts with clvi1.
  --at ADDRESS   where the device is, if not where the invitation says:
                 usb: for the dongle that is plugged in, https://host:8443, serial:/dev/ttyACM0
  --pin-fd N     read the new PIN from file descriptor N instead of the terminal
  --without-pin  this machine will not unlock the device
  --unattended   this machine unlocks the device whenever it is plugged in or starts, without a PIN; whoever
                 has this machine and a copy of the card has every key. The invitation must allow it
`,

  async run(args, { terminal, env }) {
    const { options, positionals } = readArguments(
      args,
      {
        json: { type: 'boolean' },
        at: { type: 'string' },
        'pin-fd': { type: 'string' },
        'without-pin': { type: 'boolean' },
        unattended: { type: 'boolean' },
      },
      ['INVITATION'],
    )
    const invitation = parseInvitation(positionals[0])
    const directory = profileDirectory(env)
    const addresses = options.at ? [options.at] : invitation.addresses
    if (addresses.length === 0)
      throw new UsageError(
        'the invitation does not say where the device is',
        'name it with --at usb: or --at https://host:8443',
      )
    if (invitation.name === RESERVED_NAME)
      throw new UsageError(
        `no enrolment can be called ${RESERVED_NAME}`,
        'ask for an invitation with another name',
      )
    if ((await listProfiles(directory)).includes(invitation.name))
      throw new UsageError(
        `this machine has an enrolment ${invitation.name} already`,
        `remove ${invitation.name}.json from ${directory} if it is of no use`,
      )
    const { unattended = false } = options
    if (unattended && (options['pin-fd'] !== undefined || options['without-pin']))
      throw new UsageError('--unattended stands for itself', 'leave out --pin-fd and --without-pin')
    const wantsPin = invitation.role === 'operator' && !options['without-pin'] && !unattended
    const pin = wantsPin
      ? await terminal.newSecret('new PIN (4 characters or more)', '--pin-fd', options['pin-fd'])
      : undefined
    const profile = await enrol(
      { invitation, addresses, unattended, ...(pin === undefined ? {} : { pin }) },
      { open: localWires(env) },
    )
    const path = await writeProfile(directory, profile)
    const { name, role, namespace, device } = profile
    await forgetOtherLog(fileWitness(directory, name), profile.logKey!)
    if (options.json) terminal.printJson({ name, role, namespace, device, addresses, file: path })
    else terminal.print(`enrolled as ${name} (${role}) with device ${device.slice(0, 8)}`)
    return 0
  },
}
