/** `claviger admin key`: make, list, show, rotate, import and retire keys, and make canaries. Only public halves are shown. */
import { MAX_RETIRE_DAYS, RETIRE_DAYS } from '../../../protocol/api/routes.ts'
import { type CreateKeyBody, type KeyInfo, SUITES } from '../../../protocol/api/schemas.ts'
import type { Appliance } from '../../client/appliance.ts'
import { assertName, COMMON, type Command, readArguments, type Surroundings, UsageError } from '../command.ts'
import { canary } from '../keys/canary.ts'
import { importKey } from '../keys/import.ts'
import { recipientsOf, showRecipients } from '../keys/recipients.ts'
import { showKeys } from '../keys/table.ts'
import { type Choice, chooseProfile, withAppliance } from '../session.ts'

const OPTIONS = {
  ...COMMON,
  suite: { type: 'string' },
  contextless: { type: 'boolean' },
  files: { type: 'boolean' },
  derive: { type: 'boolean' },
  public: { type: 'boolean' },
  version: { type: 'string' },
  days: { type: 'string' },
  file: { type: 'string' },
  payload: { type: 'string' },
  separator: { type: 'string' },
  padding: { type: 'string' },
  label: { type: 'string' },
  bound: { type: 'boolean' },
  charset: { type: 'string' },
  'passphrase-fd': { type: 'string' },
  field: { type: 'string' },
  record: { type: 'string' },
  value: { type: 'string' },
} as const

/** A key has one use, for good. */
const USE_FLAGS = ['contextless', 'files', 'derive'] as const

/** What a verb may be given besides {@link COMMON}. */
const OPTIONS_OF: Record<string, readonly (keyof typeof OPTIONS)[]> = {
  list: ['public'],
  show: ['public'],
  create: ['suite', 'public', ...USE_FLAGS],
  recipients: [],
  rotate: ['public'],
  minimum: ['version'],
  retire: ['version', 'days'],
  undelete: ['version'],
  import: ['file', 'payload', 'separator', 'padding', 'label', 'bound', 'charset', 'passphrase-fd'],
  canary: ['field', 'record', 'value'],
}

/** What the others were read to. */
interface Wanted {
  suite: CreateKeyBody['suite']
  use: CreateKeyBody['use']
  version: number | undefined
  days: number | undefined
}

const VERBS: Record<string, (appliance: Appliance, name: string, wanted: Wanted) => Promise<KeyInfo[]>> = {
  list: async appliance => (await appliance.listKeys()).keys,
  show: async (appliance, name) => [await appliance.showKey(name)],
  create: async (appliance, name, { suite, use }) => [await appliance.createKey(name, suite, use)],
  rotate: async (appliance, name) => [await appliance.rotateKey(name)],
  minimum: async (appliance, name, { version }) => [await appliance.setMinimum(name, version!)],
  retire: async (appliance, name, { version, days }) => [
    await appliance.retireKey(name, { ...(version ? { version } : {}), ...(days ? { days } : {}) }),
  ],
  undelete: async (appliance, name, { version }) => [
    await appliance.undeleteKey(name, version ? { version } : {}),
  ],
}
const READING = ['list', 'show', 'recipients']

export const command: Command = {
  summary: 'make, list, show, rotate, import and retire keys; make canaries',
  usage: `claviger admin key list
claviger admin key create NAME [--suite x|p|q] [--contextless|--files|--derive]
claviger admin key show NAME
claviger admin key recipients NAME
claviger admin key rotate NAME
claviger admin key minimum NAME --version N
claviger admin key retire NAME [--version N] [--days N]
claviger admin key undelete NAME [--version N]
claviger admin key import NAME --file FILE --payload FIELDS [--separator CHARACTER]
                          [--padding pkcs1|oaep|oaep-sha256] [--label TEXT|--bound]
                          [--charset utf-8|iso-8859-1|windows-1252] [--passphrase-fd N]
claviger admin key canary NAME --field FIELD --record RECORD [--value TEXT]

  --suite      x: X25519 (default), p: P-256, q: ML-KEM-768 with X25519, against quantum computers
  --contextless  it also opens what is bound to no row: sealed boxes of libsodium, JWE without a place
  --files      it opens files of age and nothing else
  --derive     it gives raw secrets, which know no context; only with a grant that says derive
  --public     print only the current public key, for the shop's server
  --version N  for minimum, the lowest version that still opens; else one version instead of all
  --days N     retired keys open nothing, and are deleted after so many days, 1 to ${MAX_RETIRE_DAYS}; ${RETIRE_DAYS} unless told
  --file       an RSA private key in PEM, 1024 to 4096 bits, that a shop encrypted with before
  --payload    what it encrypted: the parts in their order, such as --payload=-,card.number,-,card.expiry;
               - is dropped, as a card verification code must be
  --separator  between the parts: tab (default), newline, space or another character
  --padding    pkcs1: what PHP's openssl_public_encrypt does unless told (default); oaep: its other padding
  --bound      the label of OAEP is the context of each value, so that it opens nowhere else
  --charset    of the text that was encrypted: utf-8 (default), iso-8859-1, windows-1252; it becomes UTF-8
  --as NAME, --at ADDRESS, --json

recipients prints the public half for other programs: a recipient of age, a JWK, a PEM. What a key is for
cannot be changed later.

A canary is a token that nobody has a reason to open: put it into a row of the database. Opening it locks
the device down. Its value is a decoy: for card.number a made-up card number, for other fields --value.
`,

  async run(args, surroundings) {
    const { options, positionals } = readArguments(args, OPTIONS, [
      'list, create, show, recipients, rotate, minimum, retire, undelete, import or canary',
      'NAME?',
    ])
    const [verb, name] = positionals as [verb: string, name?: string]
    if (!Object.hasOwn(OPTIONS_OF, verb)) throw new UsageError(`there is no admin key ${verb}`)
    if ((verb === 'list') !== (name === undefined))
      throw new UsageError(verb === 'list' ? 'list takes no name' : 'NAME is missing')
    if (name !== undefined) assertName(name)
    refuseStrays(verb, options)
    if (verb === 'canary') return canary(name!, options, surroundings)
    if (verb === 'import') return importKey(name!, options, surroundings)
    if (verb === 'recipients') return recipients(name!, options, surroundings)
    const suite = SUITES.find(letter => letter === (options.suite ?? 'x'))
    if (!suite) throw new UsageError(`there is no suite ${options.suite}`, 'the suites are x, p and q')
    const version = readNumber('--version', options.version, 0x7fff_ffff)
    const days = readNumber('--days', options.days, MAX_RETIRE_DAYS)
    if (verb === 'minimum' && version === undefined)
      throw new UsageError('--version is missing', 'say which is the lowest version that still opens')
    const use = readUse(options)
    const { terminal } = surroundings
    const profile = await chooseProfile(
      options,
      surroundings,
      READING.includes(verb) ? undefined : ['administrator'],
    )
    const keys = await withAppliance(profile, surroundings, appliance =>
      VERBS[verb]!(appliance, name ?? '', { suite, use, version, days }),
    )
    if (options.json) terminal.printJson({ keys })
    else if (options.public) for (const { versions } of keys) terminal.print(versions.at(-1)!.publicKey)
    else if (keys.length === 0) terminal.say('there are no keys yet')
    else showKeys(terminal, keys)
    if (verb === 'retire' && !options.json)
      terminal.hint(`claviger admin key undelete ${name} takes it back until then`)
    return 0
  },
}

async function recipients(
  name: string,
  options: Choice & { json?: boolean | undefined },
  surroundings: Surroundings,
): Promise<number> {
  const { terminal } = surroundings
  const profile = await chooseProfile(options, surroundings)
  const all = await withAppliance(profile, surroundings, appliance => recipientsOf(appliance, name))
  if (options.json) terminal.printJson({ recipients: all })
  else showRecipients(terminal, name, all)
  return 0
}

/** @throws UsageError for more than one of them */
function readUse(options: { [F in (typeof USE_FLAGS)[number]]?: boolean | undefined }): CreateKeyBody['use'] {
  const [use, ...more] = USE_FLAGS.filter(flag => options[flag])
  if (more.length > 0) throw new UsageError(`a key is for one of --${USE_FLAGS.join(', --')}`)
  return use
}

/** @throws UsageError for an option of another verb */
function refuseStrays(verb: string, options: Record<string, unknown>): void {
  for (const option of Object.keys(OPTIONS)) {
    if (Object.hasOwn(COMMON, option) || options[option] === undefined) continue
    const owners = Object.keys(OPTIONS_OF).filter(other =>
      (OPTIONS_OF[other] as readonly string[]).includes(option),
    )
    if (!owners.includes(verb)) throw new UsageError(`--${option} is for admin key ${owners.join(' or ')}`)
  }
}

function readNumber(option: string, text: string | undefined, max: number): number | undefined {
  if (text === undefined) return undefined
  const value = /^\d{1,10}$/.test(text) ? Number(text) : 0
  if (value < 1 || value > max) throw new UsageError(`${option} takes a number from 1 to ${max}`)
  return value
}
