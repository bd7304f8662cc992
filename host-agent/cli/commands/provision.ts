/** `claviger provision`: what goes onto the card before the first boot, and making the keystore after it. */
import { writeFile } from 'node:fs/promises'
import { administratorName, makeCard } from '../../client/card.ts'
import { provision } from '../../client/connect.ts'
import { localWires } from '../../client/local-wires.ts'
import {
  listProfiles,
  type Profile,
  profileDirectory,
  RESERVED_NAME,
  readProfile,
  writeProfile,
} from '../../client/profile.ts'
import { fileWitness, forgetOtherLog } from '../../client/witness-file.ts'
import { assertName, COMMON, type Command, readArguments, type Surroundings, UsageError } from '../command.ts'
import { type Choice, chooseProfile } from '../session.ts'

const NAMESPACE = /^[a-z0-9][a-z0-9-]{0,31}$/
const MAX_NAMESPACES = 64

export const command: Command = {
  summary: 'make a new device yours: its first administrator and its passphrase',
  usage: `claviger provision --write FILE [--as NAME] [--device NAME] [--namespace NAME]…   before the first boot
claviger provision --at ADDRESS [--as NAME] [--passphrase-fd N]   after it

  --write FILE        write provision.json for the card, and keep its other half here
  --as NAME           name of the first administrator (default owner)
  --device NAME       name of the device, for people (default claviger)
  --namespace NAME    a shop of its own on the device, with keys, passphrase and log of its own; may be given
                      several times (default: one, named default). Its administrator is owner-NAME
  --at ADDRESS        where the booted device answers
  --passphrase-fd N   read the new passphrase from file descriptor N instead of the terminal
  --json
`,

  async run(args, surroundings) {
    const { options } = readArguments(
      args,
      {
        ...COMMON,
        write: { type: 'string' },
        device: { type: 'string' },
        namespace: { type: 'string', multiple: true },
        'passphrase-fd': { type: 'string' },
      },
      [],
    )
    const { write, namespace } = options
    if (write !== undefined) return writeCard(write, options, surroundings)
    if (namespace)
      throw new UsageError('--namespace is for --write', 'choose one with --as, as in --as owner-shop')
    const { terminal, env } = surroundings
    const profile = await choosePending(options, surroundings)
    if (profile.addresses.length === 0)
      throw new UsageError(
        'where is the device?',
        'name it with --at usb: for the dongle that is plugged in, or --at https://host:8443',
      )
    const passphrase = await terminal.newSecret(
      'new passphrase (8 characters or more)',
      '--passphrase-fd',
      options['passphrase-fd'],
    )
    const provisioned = await provision(profile, passphrase, { open: localWires(env) })
    const directory = profileDirectory(env)
    await writeProfile(directory, provisioned)
    await forgetOtherLog(fileWitness(directory, provisioned.name), provisioned.logKey!)
    const { name, device } = provisioned
    if (options.json) terminal.printJson({ name, namespace: provisioned.namespace, device })
    else {
      const where = provisioned.namespace === 'default' ? '' : `, namespace ${provisioned.namespace}`
      terminal.print(`the device ${device}${where} is yours, ${name}`)
      terminal.hint('keep the passphrase in a safe: without it nobody can unlock as administrator')
    }
    return 0
  },
}

/** The enrolment that waits for its device, where only one does. */
async function choosePending(options: Choice, surroundings: Surroundings): Promise<Profile> {
  if (options.as === undefined) {
    const directory = profileDirectory(surroundings.env)
    const names = await listProfiles(directory)
    const profiles = await Promise.all(names.map(name => readProfile(directory, name)))
    const [pending, ...more] = profiles.filter(({ claim }) => claim !== undefined)
    if (pending && more.length === 0) return chooseProfile({ ...options, as: pending.name }, surroundings)
  }
  return chooseProfile(options, surroundings, ['administrator'])
}

interface CardOptions {
  as?: string | undefined
  device?: string | undefined
  namespace?: string[] | undefined
  json?: boolean | undefined
}

async function writeCard(
  file: string,
  {
    as: administrator = 'owner',
    device = 'claviger',
    namespace: namespaces = ['default'],
    json,
  }: CardOptions,
  { terminal, env }: Surroundings,
): Promise<number> {
  checkNamespaces(namespaces)
  const directory = profileDirectory(env)
  const present = await listProfiles(directory)
  for (const name of namespaces.map(namespace => administratorName(administrator, namespace))) {
    assertName(name)
    if (name === RESERVED_NAME) throw new UsageError(`no enrolment can be called ${RESERVED_NAME}`)
    if (present.includes(name))
      throw new UsageError(`this machine has an enrolment ${name} already`, 'choose another name with --as')
  }
  const { provisionJson, profiles } = makeCard(administrator, device, namespaces)
  for (const profile of profiles) await writeProfile(directory, profile)
  await writeFile(file, provisionJson, { mode: 0o600 })
  if (json) {
    terminal.printJson({
      file,
      enrolments: profiles.map(({ name, namespace }) => ({ name, namespace })),
    })
    return 0
  }
  terminal.print(`${file} is written`)
  const [first, ...others] = profiles.map(({ name }) =>
    profiles.length > 1 ? `claviger provision --at ADDRESS --as ${name}` : 'claviger provision --at ADDRESS',
  )
  terminal.hint(`put it on the card, boot the device, then: ${first}`)
  for (const next of others) terminal.hint(`and ${next}`)
  return 0
}

function checkNamespaces(namespaces: readonly string[]): void {
  for (const namespace of namespaces)
    if (!NAMESPACE.test(namespace))
      throw new UsageError(
        `${namespace} cannot be a namespace`,
        'a namespace has 1 to 32 of a-z, 0-9 and hyphen, and starts with a letter or digit',
      )
  const twice = namespaces.find((name, i) => namespaces.indexOf(name) !== i)
  if (twice !== undefined) throw new UsageError(`the namespace ${twice} is given twice`)
  if (namespaces.length > MAX_NAMESPACES)
    throw new UsageError(`there are more than ${MAX_NAMESPACES} namespaces`)
}
