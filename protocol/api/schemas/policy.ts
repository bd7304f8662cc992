/** Schemas of the routes about grants, recipients and settings. */
import Type, { type Static } from 'typebox'
import { GRANTED, PRESENCES, WINDOWS } from '../routes.ts'
import { Count, closed, literals, NAME_PATTERN, Name, Time } from './common.ts'

const Budget = Type.Object(
  {
    per: literals(WINDOWS),
    records: Type.Union([Type.Integer({ minimum: 1, maximum: 100_000 }), Type.Null()]),
    operations: Type.Union([Type.Integer({ minimum: 1, maximum: 1_000_000 }), Type.Null()]),
    alarm: Type.Boolean({ description: 'going over it trips lockdown' }),
  },
  closed,
)

const Clock = Type.String({ pattern: '^([01][0-9]|2[0-3]):[0-5][0-9]$|^24:00$' })

const Hours = Type.Object(
  {
    days: Type.Array(Type.Integer({ minimum: 1, maximum: 7 }), { description: '1 is Monday' }),
    from: Clock,
    to: Clock,
    zone: Type.String({ maxLength: 64, description: 'IANA name of the time zone' }),
  },
  closed,
)

const grant = {
  agent: Name,
  key: Name,
  fields: Type.Array(Type.String({ maxLength: 64 }), { minItems: 1, maxItems: 64 }),
  purposes: Type.Array(Name, { minItems: 1, maxItems: 64 }),
  reveal: Type.Array(literals(GRANTED), { minItems: 1, maxItems: GRANTED.length }),
  budgets: Type.Array(Budget, { maxItems: 8 }),
  hours: Type.Union([Hours, Type.Null()]),
  presence: Type.Optional(literals(PRESENCES)),
  target: Type.Optional(
    Type.String({
      pattern: NAME_PATTERN,
      description: 'for rewrap: the key to seal under; the same one unless told',
    }),
  ),
}
export const GrantBody = Type.Object(grant, closed)
export type GrantBody = Static<typeof GrantBody>
export const GrantInfo = Type.Object({ id: Name, ...grant, since: Time }, closed)
export type GrantInfo = Static<typeof GrantInfo>

/** What an operator is told of its own rights. */
export const MyGrants = Type.Object(
  {
    grants: Type.Array(GrantInfo),
    budgets: Type.Array(
      Type.Object(
        {
          purpose: Name,
          per: literals(WINDOWS),
          records: Type.Union([Count, Type.Null()], { description: 'left; null: no limit' }),
          operations: Type.Union([Count, Type.Null()], { description: 'left; null: no limit' }),
        },
        closed,
      ),
      { description: 'what is left of each budget' },
    ),
  },
  closed,
)
export type MyGrants = Static<typeof MyGrants>

export const ExplainBody = Type.Object(
  {
    agent: Name,
    key: Name,
    field: Type.String({ maxLength: 64 }),
    purpose: Name,
    reveal: literals(GRANTED),
    target: Type.Optional(Name),
  },
  closed,
)
export type ExplainBody = Static<typeof ExplainBody>
export const Explanation = Type.Object(
  {
    allowed: Type.Boolean(),
    code: Type.Optional(Type.String({ description: 'of the refusal' })),
    grant: Type.Optional(Name),
    free: Type.Optional(Time),
    touch: Type.Optional(Type.Boolean({ description: 'once somebody presses the button of the device' })),
    rules: Type.Array(Type.Object({ grant: Name, outcome: Type.String() }, closed), {
      description: 'each grant of the agent: allows, or the first thing that does not fit',
    }),
  },
  closed,
)
export type Explanation = Static<typeof Explanation>

const Jwk = Type.Record(Type.String(), Type.Unknown(), { description: 'a public JSON Web Key (RFC 7517)' })
export const RecipientBody = Type.Object({ name: Name, jwk: Jwk }, closed)
export type RecipientBody = Static<typeof RecipientBody>
export const RecipientInfo = Type.Object({ name: Name, jwk: Jwk, since: Time }, closed)
export type RecipientInfo = Static<typeof RecipientInfo>

/** How refused tries slow the next ones down. */
export const Settings = Type.Object(
  {
    tries: Type.Object(
      {
        free: Type.Integer({ minimum: 1, maximum: 1000, description: 'refused tries without a wait' }),
        first: Type.Integer({
          minimum: 1,
          maximum: 3600,
          description: 'seconds; doubled with each further one',
        }),
        longest: Type.Integer({ minimum: 1, maximum: 86_400, description: 'seconds' }),
      },
      closed,
    ),
  },
  closed,
)
export type Settings = Static<typeof Settings>
