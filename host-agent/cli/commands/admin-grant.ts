/** `claviger admin grant`: who may see what, for which purpose, how much of it, how often and when. */
import { GRANTED, type Granted } from '../../../protocol/api/routes.ts'
import type { ExplainBody, GrantBody, GrantInfo } from '../../../protocol/api/schemas.ts'
import { isName } from '../../../protocol/envelope/context.ts'
import { assertName, COMMON, type Command, readArguments, type Surroundings, UsageError } from '../command.ts'
import { formatBudget, parseBudget } from '../grants/budget.ts'
import { explained } from '../grants/explain.ts'
import { formatHours, parseHours } from '../grants/hours.ts'
import { type Choice, chooseProfile, withAppliance } from '../session.ts'

const OPTIONS = {
  ...COMMON,
  key: { type: 'string' },
  field: { type: 'string', multiple: true, default: [] as string[] },
  purpose: { type: 'string', multiple: true, default: [] as string[] },
  reveal: { type: 'string', multiple: true, default: [] as string[] },
  budget: { type: 'string', multiple: true, default: [] as string[] },
  hours: { type: 'string' },
  touch: { type: 'boolean' },
  target: { type: 'string' },
  agent: { type: 'string' },
} as const

interface Options extends Choice {
  json?: boolean | undefined
  key?: string | undefined
  field: string[]
  purpose: string[]
  reveal: string[]
  budget: string[]
  hours?: string | undefined
  touch?: boolean | undefined
  target?: string | undefined
  agent?: string | undefined
}

export const command: Command = {
  summary: 'say who may see what, and explain why somebody may not',
  usage: `claviger admin grant list
claviger admin grant add AGENT --key KEY --field FIELD… --purpose PURPOSE… --reveal REVEAL…
                               [--budget PER=N]… [--hours HOURS] [--touch] [--target KEY]
claviger admin grant remove ID
claviger admin grant explain --agent AGENT --key KEY --field FIELD --purpose PURPOSE [--reveal REVEAL]
                               [--target KEY]

  --field    a field such as card.number, all below one such as 'address.*', or '*'
  --purpose  what it is for, such as ship
  --reveal   how much of the value: full, last4, mask, equals (only whether it is a given value),
             forward (encrypted to a recipient), or rewrap: seal it again and show nothing;
             explain takes full unless told otherwise
  --target   for rewrap: the key to seal under; the same one unless told otherwise
  --budget   minute, hour, day or month = a number of records, or of ops (single openings);
             with ! at its end, going over it locks the device down: day=200, hour=40records!, minute=10ops
  --hours    days, times and time zone: 'mon-fri 08:00-18:00 Europe/Berlin'
  --touch    only once somebody pressed the button of the device, for each request
  --as NAME, --at ADDRESS, --json

Nothing is allowed that no grant allows. --field, --purpose, --reveal and --budget may be given several times.
`,

  async run(args, surroundings) {
    const { options, positionals } = readArguments(args, OPTIONS, ['list, add, remove or explain', 'NAME?'])
    const [verb, name] = positionals as [verb: string, name?: string]
    if (verb === 'list' || verb === 'explain') {
      if (name !== undefined) throw new UsageError(`${verb} takes no ${name}`)
      return verb === 'list' ? list(options, surroundings) : explain(options, surroundings)
    }
    if (verb !== 'add' && verb !== 'remove') throw new UsageError(`there is no admin grant ${verb}`)
    if (name === undefined) throw new UsageError(verb === 'add' ? 'AGENT is missing' : 'ID is missing')
    assertName(name)
    return verb === 'add'
      ? add(readGrant(name, options), options, surroundings)
      : remove(name, options, surroundings)
  },
}

function readGrant(agent: string, options: Options): GrantBody {
  const { key, field, purpose, reveal, budget, hours, touch, target } = options
  if (options.agent !== undefined) throw new UsageError('--agent is for explain; add takes the name alone')
  return {
    agent,
    key: readName('--key', key, 'name the key, as in --key orders'),
    fields: several('--field', field, "name a field, as in --field 'address.*'").map(readPattern),
    purposes: several('--purpose', purpose, 'say what it is for, as in --purpose ship').map(readPurpose),
    reveal: several('--reveal', reveal, 'say how much of the value it may see, as in --reveal full').map(
      readReveal,
    ),
    budgets: budget.map(parseBudget),
    hours: hours === undefined ? null : parseHours(hours),
    ...(touch ? { presence: 'touch' as const } : {}),
    ...readTarget(target, reveal),
  }
}

async function list(options: Options, surroundings: Surroundings): Promise<number> {
  const { terminal } = surroundings
  const profile = await chooseProfile(options, surroundings, ['administrator', 'auditor'])
  const { grants } = await withAppliance(profile, surroundings, appliance => appliance.listGrants())
  if (options.json) terminal.printJson({ grants })
  else if (grants.length === 0) {
    terminal.say('there are no grants: nobody can open anything')
    terminal.hint('claviger admin grant add AGENT --key KEY --field FIELD --purpose PURPOSE --reveal full')
  } else
    terminal.table(
      ['id', 'agent', 'key', 'fields', 'purposes', 'reveal', 'budget', 'hours', 'touch'],
      grants.map(rowOf),
    )
  return 0
}

function rowOf({
  id,
  agent,
  key,
  fields,
  purposes,
  reveal,
  budgets,
  hours,
  presence,
  target,
}: GrantInfo): string[] {
  return [
    id,
    agent,
    key,
    fields.join(' '),
    purposes.join(' '),
    reveal.map(how => (how === 'rewrap' ? `rewrap to ${target ?? key}` : how)).join(' '),
    budgets.map(formatBudget).join(' ') || 'none',
    hours ? formatHours(hours) : 'always',
    presence === 'touch' ? 'yes' : 'no',
  ]
}

async function add(body: GrantBody, options: Options, surroundings: Surroundings): Promise<number> {
  const { terminal } = surroundings
  const profile = await chooseProfile(options, surroundings, ['administrator'])
  const grant = await withAppliance(profile, surroundings, appliance => appliance.addGrant(body))
  if (options.json) terminal.printJson({ grant })
  else {
    const { id, agent, reveal, fields, key, purposes, presence, target } = grant
    const sealsOnly = reveal.every(how => how === 'rewrap')
    const derives = reveal.includes('derive')
    const may = derives
      ? 'is given raw secrets as'
      : sealsOnly
        ? `may seal again, under ${target ?? key},`
        : 'may see'
    const what = `${fields.join(', ')} under ${key} for ${purposes.join(', ')} (${reveal.join(', ')})`
    const once = presence === 'touch' ? ', once the button of the device was pressed' : ''
    terminal.print(`${id}: ${agent} ${may} ${what}${once}`)
    if (body.budgets.length === 0 && !sealsOnly)
      terminal.hint('without a --budget, whoever breaks into that machine can open every record')
  }
  return 0
}

async function remove(id: string, options: Options, surroundings: Surroundings): Promise<number> {
  const { terminal } = surroundings
  const profile = await chooseProfile(options, surroundings, ['administrator'])
  const { removed } = await withAppliance(profile, surroundings, appliance => appliance.removeGrant(id))
  if (options.json) terminal.printJson({ removed })
  else terminal.print(`the grant ${removed} is removed`)
  return 0
}

async function explain(options: Options, surroundings: Surroundings): Promise<number> {
  const { terminal } = surroundings
  const body: ExplainBody = {
    agent: readName('--agent', options.agent, 'name the agent, as in --agent till'),
    key: readName('--key', options.key, 'name the key, as in --key orders'),
    field: one('--field', options.field, 'name the field, as in --field card.number'),
    purpose: readPurpose(one('--purpose', options.purpose, 'say what for, as in --purpose ship')),
    reveal: readReveal(options.reveal.length === 0 ? 'full' : one('--reveal', options.reveal, '')),
    ...readTarget(options.target, options.reveal),
  }
  if (!isName(body.field))
    throw new UsageError(`${body.field} is not a field`, 'one that a value was sealed for, as in card.number')
  const profile = await chooseProfile(options, surroundings, ['administrator', 'auditor'])
  return withAppliance(profile, surroundings, async appliance => {
    const explanation = await appliance.explainGrant(body)
    if (options.json) terminal.printJson(explanation)
    else {
      const { grants } = await appliance.listGrants()
      for (const line of explained(body, explanation, grants)) terminal.print(line)
      if (explanation.rules.some(({ outcome }) => outcome === 'button'))
        terminal.hint(
          'the device was started without --button; docs/light-and-button.md tells how it gets one',
        )
    }
    return explanation.allowed ? 0 : 1
  })
}

function several(option: string, values: string[], hint: string): string[] {
  if (values.length === 0) throw new UsageError(`${option} is missing`, hint)
  const twice = values.find((value, i) => values.indexOf(value) !== i)
  if (twice !== undefined) throw new UsageError(`${option} ${twice} is given twice`)
  return values
}

function one(option: string, values: string[], hint: string): string {
  const [value, ...more] = several(option, values, hint)
  if (more.length > 0) throw new UsageError(`explain takes one ${option}`)
  return value!
}

function readName(option: string, value: string | undefined, hint: string): string {
  if (value === undefined) throw new UsageError(`${option} is missing`, hint)
  assertName(value)
  return value
}

function readPattern(pattern: string): string {
  if (pattern === '*' || isName(pattern.replace(/\.\*$/, ''))) return pattern
  throw new UsageError(
    `${pattern} is not a field`,
    "a field such as card.number, all below one such as 'address.*', or '*'",
  )
}

function readPurpose(purpose: string): string {
  if (isName(purpose)) return purpose
  throw new UsageError(`${purpose} is not a purpose`, 'lower-case letters, digits, dots and hyphens')
}

function readTarget(target: string | undefined, reveal: readonly string[]): { target?: string } {
  if (target === undefined) return {}
  if (!reveal.includes('rewrap')) throw new UsageError('--target is for --reveal rewrap')
  assertName(target)
  return { target }
}

function readReveal(text: string): Granted {
  const reveal = GRANTED.find(known => known === text)
  if (!reveal) throw new UsageError(`there is no reveal ${text}`, `it is one of ${GRANTED.join(', ')}`)
  return reveal
}
