/** `claviger provision`: what goes onto the card before the first boot, and making the keystore after it. */
import { writeFile } from 'node:fs/promises'
import { fromBase64url } from '../../../protocol/bytes.ts'
import { provision } from '../../client/connect.ts'
import { localWires } from '../../client/local-wires.ts'
import {
  listProfiles,
  type Profile,
  profileDirectory,
  readProfile,
  writeProfile,
} from '../../client/profile.ts'
import { fileWitness, forgetOtherLog } from '../../client/witness-file.ts'
import { CARD_OPTIONS, CARD_USAGE, nextCommands, prepareCard } from '../cards.ts'
import { assertName, COMMON, type Command, readArguments, type Surroundings, UsageError } from '../command.ts'
import { formatFingerprint } from '../fingerprint.ts'
import { type Beginning, begin, writeSheet } from '../first-steps.ts'
import { type Choice, chooseProfile } from '../session.ts'
import { NO_SHEET, openNamed } from '../sheet/file.ts'

/** What a shop's first key is called in the manuals, too. */
const FIRST_KEY = 'orders'
/** As an answer: no key yet. */
const NO_KEY = '-'

export const command: Command = {
  summary: 'make a new device yours: its first administrator, its passphrase, its first key',
  usage: `claviger provision --write FILE [--as NAME] [--device NAME] [--namespace NAME]…   before the first boot
claviger provision --at ADDRESS [--as NAME] [--passphrase-fd N] [--first-key NAME] [--sheet FILE]   after it

  --write FILE        write provision.json for the card, and keep its other half here; claviger flash does so, too
${CARD_USAGE}  --at ADDRESS        where the booted device answers
  --passphrase-fd N   read the new passphrase from file descriptor N instead of the terminal
  --first-key NAME    make a key of that name, too (asked for on a terminal; - for none)
  --sheet FILE        write the recovery sheet there, a page to print (on a terminal, unless said:
                      claviger-recovery-DEVICE.html in this directory; - for none)
  --json
`,

  async run(args, surroundings) {
    const { options } = readArguments(
      args,
      {
        ...COMMON,
        ...CARD_OPTIONS,
        write: { type: 'string' },
        'passphrase-fd': { type: 'string' },
        'first-key': { type: 'string' },
        sheet: { type: 'string' },
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
    const isAsked = terminal.canAsk && options['passphrase-fd'] === undefined && !options.json
    const said = options['first-key'] === NO_KEY ? undefined : options['first-key']
    if (said !== undefined) assertName(said)
    const passphrase = await terminal.newSecret(
      'new passphrase (8 characters or more)',
      '--passphrase-fd',
      options['passphrase-fd'],
    )
    const firstKey = isAsked && options['first-key'] === undefined ? await askForKey(surroundings) : said
    const { sheet } = options
    const named = sheet === undefined || sheet === NO_SHEET ? null : await openNamed(sheet)
    const provisioned = await provision(profile, passphrase, { open: localWires(env) }).catch(async error => {
      await named?.discard()
      throw error
    })
    const directory = profileDirectory(env)
    await writeProfile(directory, provisioned)
    await forgetOtherLog(fileWitness(directory, provisioned.name), provisioned.logKey!)

    const wanted = named ?? (isAsked && sheet === undefined ? 'unnamed' : null)
    const beginning: Beginning =
      firstKey !== undefined || wanted !== null
        ? await begin(provisioned, firstKey, surroundings)
        : { name: null, key: null, failure: null }
    const path = wanted === null ? null : await writeSheet(wanted, provisioned, beginning, surroundings)
    return tell(provisioned, beginning, path, options.json ?? false, surroundings)
  },
}

/** Says what was made; what could not be is no reason to hide the rest. */
function tell(
  { name, namespace, device }: Profile,
  { key, failure }: Beginning,
  sheet: string | null,
  json: boolean,
  { terminal }: Surroundings,
): number {
  if (json) terminal.printJson({ name, namespace, device, ...(key && { key }), ...(sheet && { sheet }) })
  else {
    terminal.print(`fingerprint: ${formatFingerprint(fromBase64url(device)!)}`)
    if (key) terminal.print(`public key of ${key.name}: ${key.versions.at(-1)!.publicKey}`)
    if (sheet) terminal.print(`recovery sheet: ${sheet}`)
    const where = namespace === 'default' ? '' : `, namespace ${namespace}`
    terminal.print(`the device ${device}${where} is yours, ${name}`)
    terminal.hint('keep the passphrase in a safe: without it nobody can unlock as administrator')
    if (sheet) terminal.hint('print the sheet, write the passphrase on it by hand, and put it there, too')
  }
  if (!failure) return 0
  terminal.say(`the device is yours, but there is no first key: ${failure.message}`)
  terminal.hint(`make it with: claviger admin key create NAME --as ${name}`)
  return 1
}

async function askForKey({ terminal }: Surroundings): Promise<string | undefined> {
  const answer = await terminal.question(`name of the first key, ${NO_KEY} for none`, FIRST_KEY)
  if (answer === NO_KEY) return undefined
  assertName(answer)
  return answer
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
  { json, ...choice }: CardOptions,
  { terminal, env }: Surroundings,
): Promise<number> {
  const { provisionJson, profiles } = await prepareCard(choice, env)
  await writeFile(file, provisionJson, { mode: 0o600 })
  if (json) {
    terminal.printJson({
      file,
      enrolments: profiles.map(({ name, namespace }) => ({ name, namespace })),
    })
    return 0
  }
  terminal.print(`${file} is written`)
  const [first, ...others] = nextCommands(profiles)
  terminal.hint(`put it on the card, boot the device, then: ${first}`)
  for (const next of others) terminal.hint(`and ${next}`)
  return 0
}
