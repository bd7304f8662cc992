/** `claviger admin key`: make, list, show and rotate keys, and make canaries. Only public halves are ever shown. */
import { randomInt } from 'node:crypto'
import { type CreateKeyBody, SUITES } from '../../../protocol/api/schemas.ts'
import type { Appliance } from '../../client/appliance.ts'
import { assertName, COMMON, type Command, readArguments, type Surroundings, UsageError } from '../command.ts'
import { decoyCard } from '../decoy.ts'
import { checkField, placeFault } from '../rows/mapping.ts'
import { type Choice, chooseProfile, withAppliance } from '../session.ts'
import { utcDay } from '../time.ts'

const VERBS = {
  list: async (appliance: Appliance) => (await appliance.listKeys()).keys,
  create: async (appliance: Appliance, name: string, suite: CreateKeyBody['suite']) => [
    await appliance.createKey(name, suite),
  ],
  show: async (appliance: Appliance, name: string) => [await appliance.showKey(name)],
  rotate: async (appliance: Appliance, name: string) => [await appliance.rotateKey(name)],
}

/** Longest decoy, in characters. */
const MAX_DECOY = 4096

export const command: Command = {
  summary: 'make, list, show and rotate keys; make canaries',
  usage: `claviger admin key list
claviger admin key create NAME [--suite x|p|q]
claviger admin key show NAME
claviger admin key rotate NAME
claviger admin key canary NAME --field FIELD --record RECORD [--value TEXT]

  --suite   x: X25519 (default), p: P-256, q: ML-KEM-768 with X25519, against quantum computers
  --public  print only the current public key, for the shop's server
  --as NAME, --at ADDRESS, --json

A canary is a token that nobody has a reason to open: put it into a row of the database. Opening it locks
the device down. Its value is a decoy: for card.number a made-up card number, for other fields --value.
`,

  async run(args, surroundings) {
    const { options, positionals } = readArguments(
      args,
      {
        ...COMMON,
        suite: { type: 'string', default: 'x' },
        public: { type: 'boolean' },
        field: { type: 'string' },
        record: { type: 'string' },
        value: { type: 'string' },
      },
      ['list, create, show, rotate or canary', 'NAME?'],
    )
    const [verb, name] = positionals as [verb: string, name?: string]
    if (verb !== 'canary' && !Object.hasOwn(VERBS, verb))
      throw new UsageError(`there is no admin key ${verb}`)
    if ((verb === 'list') !== (name === undefined))
      throw new UsageError(verb === 'list' ? 'list takes no name' : 'NAME is missing')
    if (name !== undefined) assertName(name)
    if (verb === 'canary') return canary(name!, options, surroundings)
    const stray = (['field', 'record', 'value'] as const).find(option => options[option] !== undefined)
    if (stray) throw new UsageError(`--${stray} is for admin key canary`)
    const suite = SUITES.find(letter => letter === options.suite)
    if (!suite) throw new UsageError(`there is no suite ${options.suite}`, 'the suites are x, p and q')
    const { terminal } = surroundings
    const profile = await chooseProfile(
      options,
      surroundings,
      verb === 'create' || verb === 'rotate' ? ['administrator'] : undefined,
    )
    const keys = await withAppliance(profile, surroundings, appliance =>
      VERBS[verb as keyof typeof VERBS](appliance, name ?? '', suite),
    )
    if (options.json) terminal.printJson({ keys })
    else if (options.public) for (const { versions } of keys) terminal.print(versions.at(-1)!.publicKey)
    else if (keys.length === 0) terminal.say('there are no keys yet')
    else
      terminal.table(
        ['key', 'version', 'made', 'public key'],
        keys.flatMap(key =>
          key.versions.map(({ version, created, publicKey }) => [
            key.name,
            String(version),
            utcDay(created),
            publicKey,
          ]),
        ),
      )
    return 0
  },
}

interface CanaryOptions extends Choice {
  field?: string | undefined
  record?: string | undefined
  value?: string | undefined
  json?: boolean | undefined
}

async function canary(key: string, options: CanaryOptions, surroundings: Surroundings): Promise<number> {
  const { field, record } = options
  if (field === undefined)
    throw new UsageError('--field is missing', 'name the column it goes into, as in --field card.number')
  checkField(field)
  if (record === undefined)
    throw new UsageError('--record is missing', 'name the row it goes into, as in --record customers/1042')
  if (placeFault(field, record)) throw new UsageError('--record takes at most 255 bytes')
  const value = options.value ?? decoyOf(field)
  if (value.length === 0 || value.length > MAX_DECOY)
    throw new UsageError(`--value takes 1 to ${MAX_DECOY} characters`)
  const { terminal } = surroundings
  const profile = await chooseProfile(options, surroundings, ['administrator'])
  const { token } = await withAppliance(profile, surroundings, appliance =>
    appliance.makeCanary(key, { field, record, value }),
  )
  if (options.json) terminal.printJson({ token, field, record, value })
  else {
    terminal.print(token)
    terminal.say(`opening it locks the device down; its decoy is ${terminal.tame(value)}`)
    terminal.hint(`put it into the column ${field} of the row ${record}, a customer who does not exist`)
  }
  return 0
}

function decoyOf(field: string): string {
  if (field === 'card.number' || field.startsWith('card.number.')) return decoyCard(() => randomInt(10))
  throw new UsageError(`there is no made-up value for ${field}`, 'give a decoy that looks real with --value')
}
