/**
 * A grant: which agent may open which fields of which key, for which purposes, how much of the value it then sees, how
 * often, and when (docs/who-may-see-what.md). Without a grant nothing is allowed.
 */
import { ClavigerError } from '../../../protocol/api/errors.ts'
import { GRANTED, PRESENCES, WINDOWS } from '../../../protocol/api/routes.ts'
import { isName } from '../../../protocol/envelope/context.ts'
import { isForbiddenField } from '../../../protocol/envelope/forbidden.ts'
import {
  boolean,
  integer,
  list,
  map,
  mapWith,
  nullable,
  type Of,
  type Shape,
  text,
  word,
} from '../../ipc/shape.ts'
import { isZone } from './hours.ts'

export type Period = (typeof WINDOWS)[number]

/** Length of each window in ms of budget time; a month is 30 days. */
export const PERIOD_MS: Readonly<Record<Period, number>> = {
  minute: 60_000,
  hour: 3_600_000,
  day: 86_400_000,
  month: 30 * 86_400_000,
}

/** Grants of one namespace. */
export const MAX_GRANTS = 1024
/** Field patterns of one grant. */
export const MAX_FIELDS = 64
/** Purposes of one grant. */
export const MAX_PURPOSES = 64
/** Budgets of one grant. */
export const MAX_BUDGETS = 8
/** Largest limit of distinct records: each record in the window is kept in memory. */
export const MAX_BUDGET_RECORDS = 100_000
/** Largest limit of operations. */
export const MAX_BUDGET_OPERATIONS = 1_000_000

const name: Shape<string> = (value): value is string => isName(value)

export const Budget = map({
  per: word(...WINDOWS),
  /** Distinct records in the window; `null` is no limit. */
  records: nullable(integer()),
  /** Operations in the window; `null` is no limit. */
  operations: nullable(integer()),
  /** Going over it means that something is wrong: lockdown. */
  alarm: boolean,
})
export type Budget = Of<typeof Budget>

export const Hours = map({
  /** 1 is Monday, 7 is Sunday; of a span over midnight the day on which it begins. */
  days: list(integer(7), 7),
  /** `HH:MM`, the first minute that is allowed. */
  from: text(5),
  /** `HH:MM` up to `24:00`, the first minute that is not; earlier than `from` means on the next day. */
  to: text(5),
  /** IANA time zone. */
  zone: text(64),
})
export type Hours = Of<typeof Hours>

/** What somebody beside the device has to do before a grant allows anything. */
export const Presence = word(...PRESENCES)

export const Grant = mapWith(
  {
    /** Short name, unique in the namespace. */
    id: name,
    agent: name,
    key: name,
    /** Each a class such as `card.number`, the classes below one such as `address.*`, or `*`. */
    fields: list(text(64), MAX_FIELDS),
    purposes: list(name, MAX_PURPOSES),
    reveal: list(word(...GRANTED), GRANTED.length),
    budgets: list(Budget, MAX_BUDGETS),
    hours: nullable(Hours),
    /** Seconds since 1970. */
    since: integer(),
  },
  {
    presence: Presence,
    /** For `rewrap`: the key under which values are sealed again; the grant's own key where it is missing. */
    target: name,
  },
)
export type Grant = Of<typeof Grant>

/**
 * Holds a grant that an administrator wants against the rules that a shape cannot say.
 * @throws ClavigerError `malformed-request` with what is wrong; `forbidden-field` for a class that must never be stored
 */
export function checkGrant(grant: unknown): asserts grant is Grant {
  if (!Grant(grant)) throw malformed('this is not a grant', 'names are 1 to 32 of a-z, 0-9, dot and hyphen')
  for (const title of ['fields', 'purposes', 'reveal'] as const) {
    if (grant[title].length === 0) throw malformed(`a grant names at least one of its ${title}`)
    if (new Set<string>(grant[title]).size < grant[title].length)
      throw malformed(`the ${title} of a grant must differ from each other`)
  }
  if (grant.target !== undefined && !grant.reveal.includes('rewrap'))
    throw malformed('a target is for grants that rewrap')
  for (const pattern of grant.fields) checkPattern(pattern)
  for (const budget of grant.budgets) checkBudget(budget)
  if (grant.hours) checkHours(grant.hours)
}

function checkPattern(pattern: string): void {
  if (pattern === '*') return
  const base = pattern.endsWith('.*') ? pattern.slice(0, -2) : pattern
  if (!isName(base))
    throw malformed(
      `'${pattern}' is no pattern of fields`,
      'a class such as card.number, all below one such as address.*, or *',
    )
  if (isForbiddenField(base))
    throw new ClavigerError('forbidden-field', `fields of class ${base} must never be stored`, {
      hint: 'card verification codes, PINs and track data are for one authorisation only',
    })
}

function checkBudget({ per, records, operations }: Budget): void {
  if (records === null && operations === null)
    throw malformed(`the budget per ${per} has no limit`, 'give it a number of records or of operations')
  checkLimit(per, 'records', records, MAX_BUDGET_RECORDS)
  checkLimit(per, 'operations', operations, MAX_BUDGET_OPERATIONS)
}

function checkLimit(per: Period, what: string, limit: number | null, max: number): void {
  // Nothing would ever be allowed, and nobody could be told when it will be.
  if (limit === 0) throw malformed(`the budget per ${per} is zero`, 'remove the grant instead')
  if (limit !== null && limit > max) throw malformed(`a budget is of at most ${max} ${what}`)
}

function checkHours({ days, from, to, zone }: Hours): void {
  if (days.length === 0 || days.includes(0) || new Set(days).size < days.length)
    throw malformed('the days of the hours are 1 (Monday) to 7 (Sunday), each once')
  for (const time of [from, to]) {
    if (!/^(?:[01]\d|2[0-3]):[0-5]\d$/.test(time) && !(time === to && to === '24:00'))
      throw malformed(`'${time}' is no time of day`, 'hours are from HH:MM to HH:MM, such as 08:00 to 18:00')
  }
  if (from === to)
    throw malformed('the hours begin and end at the same minute', 'a whole day is 00:00 to 24:00')
  if (!isZone(zone)) throw malformed(`'${zone}' is no time zone`, 'use an IANA name such as Europe/Berlin')
}

function malformed(message: string, hint?: string): ClavigerError {
  return new ClavigerError('malformed-request', message, hint === undefined ? {} : { hint })
}
