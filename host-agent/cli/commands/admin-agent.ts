/** `claviger admin agent`: list, invite and revoke those who may talk to the device. */
import { ROLES, type Role } from '../../../protocol/api/routes.ts'
import { fromBase64url } from '../../../protocol/bytes.ts'
import { deviceSerial } from '../../../protocol/identity/device-serial.ts'
import { formatInvitation } from '../../../protocol/identity/invitation.ts'
import type { Profile } from '../../client/profile.ts'
import { assertName, COMMON, type Command, readArguments, type Surroundings, UsageError } from '../command.ts'
import { type Choice, chooseProfile, withAppliance } from '../session.ts'
import { utcMinute } from '../time.ts'

export const command: Command = {
  summary: 'list, invite and revoke agents',
  usage: `claviger admin agent list
claviger admin agent invite NAME [--role ROLE] [--valid-for HOURS] [--address ADDRESS]… [--unattended]
claviger admin agent revoke NAME

  --role       administrator, operator (default), auditor, backup
  --valid-for  hours until the invitation expires (default 24)
  --address    where the invited machine finds the device; default: where this one does
  --unattended its machine may unlock the device by itself, for a server nobody sits at
  --as NAME, --at ADDRESS, --json

An operator can open nothing until claviger admin grant add says what and for which purpose.
`,

  async run(args, surroundings) {
    const { options, positionals } = readArguments(
      args,
      {
        ...COMMON,
        role: { type: 'string', default: 'operator' },
        'valid-for': { type: 'string', default: '24' },
        address: { type: 'string', multiple: true },
        unattended: { type: 'boolean', default: false },
      },
      ['list, invite or revoke', 'NAME?'],
    )
    const [verb, name] = positionals as [verb: string, name?: string]
    if (verb === 'list' && name === undefined) return list(options, surroundings)
    if (verb !== 'list' && name === undefined) throw new UsageError('NAME is missing')
    assertName(name!)
    if (verb === 'revoke') return revoke(name!, options, surroundings)
    if (verb !== 'invite') throw new UsageError(`there is no admin agent ${verb}`)
    const role = ROLES.find(role => role === options.role)
    if (!role) throw new UsageError(`there is no role ${options.role}`, `the roles are ${ROLES.join(', ')}`)
    const hours = Number(options['valid-for'])
    if (!(hours >= 0.1 && hours <= 720)) throw new UsageError('--valid-for takes hours from 0.1 to 720')
    const { unattended } = options
    if (unattended && role !== 'operator') throw new UsageError('--unattended is for operators')
    const body = { name: name!, role, validFor: Math.round(hours * 3600), unattended }
    return invite(body, options, surroundings)
  },
}

async function list(
  options: Choice & { json?: boolean | undefined },
  surroundings: Surroundings,
): Promise<number> {
  const { terminal } = surroundings
  const profile = await chooseProfile(options, surroundings, ['administrator', 'auditor'])
  const { agents } = await withAppliance(profile, surroundings, appliance => appliance.listAgents())
  if (options.json) terminal.printJson({ agents })
  else
    terminal.table(
      ['name', 'role', 'since', '', ''],
      agents.map(({ name, role, since, expires, unattended }) => [
        name,
        role,
        utcMinute(since),
        expires === null ? '' : `invited, until ${utcMinute(expires)}`,
        unattended ? 'unattended' : '',
      ]),
    )
  return 0
}

async function invite(
  body: { name: string; role: Role; validFor: number; unattended: boolean },
  options: Choice & { json?: boolean | undefined; address?: string[] | undefined },
  surroundings: Surroundings,
): Promise<number> {
  const { terminal } = surroundings
  const { name, role } = body
  const profile = await chooseProfile(options, surroundings, ['administrator'])
  const { secret, expires } = await withAppliance(profile, surroundings, appliance => appliance.invite(body))
  const invitation = formatInvitation({
    addresses: options.address ?? elsewhere(profile),
    device: fromBase64url(profile.device)!,
    namespace: profile.namespace,
    name,
    role,
    secret: fromBase64url(secret)!,
    expires,
  })
  if (options.json) {
    terminal.printJson({ invitation, expires })
    return 0
  }
  terminal.print(invitation)
  terminal.say(`for ${name} (${role}), once, until ${utcMinute(expires)}; give it to nobody else`)
  if (role === 'operator')
    terminal.hint(
      `it can open nothing yet: claviger admin grant add ${name} --key KEY --field FIELD --purpose PURPOSE --reveal full`,
    )
  return 0
}

/** A port of this machine may be another one elsewhere; the serial number of the dongle says more. */
function elsewhere({ addresses, device }: Profile): string[] {
  const dongle = `usb:${deviceSerial(fromBase64url(device)!)}`
  const isLocal = addresses.some(address => address.startsWith('serial:'))
  return isLocal ? [dongle, ...addresses] : addresses
}

async function revoke(
  name: string,
  options: Choice & { json?: boolean | undefined },
  surroundings: Surroundings,
): Promise<number> {
  const profile = await chooseProfile(options, surroundings, ['administrator'])
  const { revoked } = await withAppliance(profile, surroundings, appliance => appliance.revoke(name))
  if (options.json) surroundings.terminal.printJson({ revoked })
  else surroundings.terminal.print(`${revoked} is revoked`)
  return 0
}
