/** `claviger provision`: what goes onto the card before the first boot, and making the keystore after it. */
import { writeFile } from 'node:fs/promises'
import { makeCard } from '../../client/card.ts'
import { provision } from '../../client/connect.ts'
import { listProfiles, profileDirectory, writeProfile } from '../../client/profile.ts'
import { assertName, COMMON, type Command, readArguments, type Surroundings, UsageError } from '../command.ts'
import { chooseProfile } from '../session.ts'

export const command: Command = {
  summary: 'make a new device yours: its first administrator and its passphrase',
  usage: `claviger provision --write FILE [--as NAME] [--device NAME]   before the first boot
claviger provision --at ADDRESS [--as NAME] [--passphrase-fd N]   after it

  --write FILE        write provision.json for the card, and keep its other half here
  --as NAME           name of the first administrator (default owner)
  --device NAME       name of the device, for people (default claviger)
  --at ADDRESS        where the booted device answers
  --passphrase-fd N   read the new passphrase from file descriptor N instead of the terminal
`,

  async run(args, surroundings) {
    const { options } = readArguments(
      args,
      {
        ...COMMON,
        write: { type: 'string' },
        device: { type: 'string', default: 'claviger' },
        'passphrase-fd': { type: 'string' },
      },
      [],
    )
    if (options.write) return writeCard(options.write, options.as ?? 'owner', options.device, surroundings)
    const { terminal, env } = surroundings
    const profile = await chooseProfile(options, surroundings, ['administrator'])
    if (profile.addresses.length === 0)
      throw new UsageError(
        'where is the device?',
        'name it with --at https://host:8443 or --at serial:/dev/ttyACM0',
      )
    const passphrase = await terminal.newSecret(
      'new passphrase (8 characters or more)',
      '--passphrase-fd',
      options['passphrase-fd'],
    )
    const provisioned = await provision(profile, passphrase)
    await writeProfile(profileDirectory(env), provisioned)
    const { name, device } = provisioned
    if (options.json) terminal.printJson({ name, device })
    else {
      terminal.print(`the device ${device} is yours, ${name}`)
      terminal.hint('keep the passphrase in a safe: without it nobody can unlock as administrator')
    }
    return 0
  },
}

async function writeCard(
  file: string,
  name: string,
  device: string,
  { terminal, env }: Surroundings,
): Promise<number> {
  const directory = profileDirectory(env)
  assertName(name)
  if ((await listProfiles(directory)).includes(name))
    throw new UsageError(`this machine has an enrolment ${name} already`, 'choose another name with --as')
  const { provisionJson, profile } = makeCard(name, device)
  await writeProfile(directory, profile)
  await writeFile(file, provisionJson, { mode: 0o600 })
  terminal.print(`${file} is written`)
  terminal.hint('put it on the card, boot the device, then: claviger provision --at ADDRESS')
  return 0
}
