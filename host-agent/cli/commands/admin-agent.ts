/** `claviger admin agent`: list, invite and revoke those who may talk to the device. */
import { ROLES, type Role } from '../../../protocol/api/routes.ts'
import { fromBase64url } from '../../../protocol/bytes.ts'
import { formatInvitation } from '../../../protocol/identity/invitation.ts'
import { assertName, COMMON, type Command, readArguments, type Surroundings, UsageError } from '../command.ts'
import { type Choice, chooseProfile, withAppliance } from '../session.ts'

export const command: Command = {
  summary: 'list, invite and revoke agents',
  usage: `claviger admin agent list
claviger admin agent invite NAME [--role ROLE] [--key KEY]… [--valid-for HOURS] [--address ADDRESS]…
claviger admin agent revoke NAME

  --role       administrator, operator (default), auditor, backup
  --key        a key that the operator may open with; may be given several times
  --valid-for  hours until the invitation expires (default 24)
  --address    where the invited machine finds the device; default: where this one does
  --as NAME, --at ADDRESS, --json
`,

  async run(args, surroundings) {
    const { options, positionals } = readArguments(
      args,
      {
        ...COMMON,
        role: { type: 'string', default: 'operator' },
        key: { type: 'string', multiple: true, default: [] },
        'valid-for': { type: 'string', default: '24' },
        address: { type: 'string', multiple: true },
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
    if (role === 'operator' && options.key.length === 0)
      throw new UsageError(
        'an operator without a key can open nothing',
        `name one: claviger admin agent invite ${name} --key orders`,
      )
    return invite(
      { name: name!, role, keys: options.key, validFor: Math.round(hours * 3600) },
      options,
      surroundings,
    )
  },
}

async function list(
  options: Choice & { json?: boolean | undefined },
  surroundings: Surroundings,
): Promise<number> {
  const { terminal } = surroundings
  const profile = await chooseProfile(options, surroundings, ['administrator', 'auditor'])
  const { agents } = await withAppliance(profile, appliance => appliance.listAgents())
  if (options.json) terminal.printJson({ agents })
  else
    terminal.table(
      ['name', 'role', 'keys', 'since', ''],
      agents.map(({ name, role, keys, since, expires }) => [
        name,
        role,
        keys.join(' '),
        moment(since),
        expires === null ? '' : `invited, until ${moment(expires)}`,
      ]),
    )
  return 0
}

async function invite(
  body: { name: string; role: Role; keys: string[]; validFor: number },
  options: Choice & { json?: boolean | undefined; address?: string[] | undefined },
  surroundings: Surroundings,
): Promise<number> {
  const { terminal } = surroundings
  const profile = await chooseProfile(options, surroundings, ['administrator'])
  const { secret, expires } = await withAppliance(profile, appliance => appliance.invite(body))
  const invitation = formatInvitation({
    addresses: options.address ?? profile.addresses,
    device: fromBase64url(profile.device)!,
    namespace: profile.namespace,
    name: body.name,
    role: body.role,
    secret: fromBase64url(secret)!,
    expires,
  })
  if (options.json) terminal.printJson({ invitation, expires })
  else {
    terminal.print(invitation)
    terminal.say(`for ${body.name} (${body.role}), once, until ${moment(expires)}; give it to nobody else`)
  }
  return 0
}

async function revoke(
  name: string,
  options: Choice & { json?: boolean | undefined },
  surroundings: Surroundings,
): Promise<number> {
  const profile = await chooseProfile(options, surroundings, ['administrator'])
  const { revoked } = await withAppliance(profile, appliance => appliance.revoke(name))
  if (options.json) surroundings.terminal.printJson({ revoked })
  else surroundings.terminal.print(`${revoked} is revoked`)
  return 0
}

function moment(seconds: number): string {
  return `${new Date(seconds * 1000).toISOString().slice(0, 16).replace('T', ' ')} UTC`
}
