/** Schemas of the routes about the device itself: problems, status, health, unlocking. */
import Type, { type Static } from 'typebox'
import { ERRORS, type ErrorCode } from '../errors.ts'
import { ALARMS, STATES, TIERS, WINDOWS } from '../routes.ts'
import { Base64url, Count, closed, literals, Name, Secret, Time } from './common.ts'

export const Problem = Type.Object(
  {
    type: Type.String(),
    title: Type.String(),
    status: Type.Integer(),
    code: literals(Object.keys(ERRORS) as ErrorCode[]),
    detail: Type.Optional(Type.String()),
    hint: Type.Optional(Type.String()),
    state: Type.Optional(literals(STATES)),
    free: Type.Optional(Type.Integer({ description: 'when to try again, seconds since 1970' })),
  },
  { ...closed, description: 'RFC 9457 problem document with a stable code' },
)
export type Problem = Static<typeof Problem>

export const Status = Type.Object(
  {
    device: Type.String({ description: 'SPKI SHA-256 pin of the device, base64url' }),
    name: Type.String(),
    version: Type.String(),
    namespace: Name,
    state: literals(STATES),
    reason: Type.Optional(Type.String({ description: 'why the state is failed' })),
    claim: Type.Optional(Type.String({ description: 'proof of the claim secret, while unprovisioned' })),
  },
  closed,
)
export type Status = Static<typeof Status>

export const Health = Type.Object(
  {
    time: Time,
    uptime: Type.Number({ description: 'seconds' }),
    model: Type.Union([Type.String(), Type.Null()]),
    tier: literals(
      TIERS,
      'what checks the system that runs: nothing, or a root of an image that is checked as it is read; in no tier is the start checked',
    ),
    cpu: Type.Object(
      {
        temperature: Type.Union([Type.Number(), Type.Null()], { description: 'degrees Celsius' }),
        load: Type.Number({ description: 'percent, all cores' }),
        throttled: Type.Union([Type.Boolean(), Type.Null()]),
      },
      closed,
    ),
    memory: Type.Object({ total: Type.Integer(), available: Type.Integer() }, closed),
    disk: Type.Object({ total: Type.Integer(), available: Type.Integer() }, closed),
    link: Type.Union([Type.Record(Type.String(), Type.Integer()), Type.Null()], {
      description: 'counters of the serial link',
    }),
    decisions: Type.Record(Type.String(), Type.Integer(), {
      description: 'items decided since the start, by outcome: allowed, or the code of the refusal',
    }),
    budgets: Type.Array(
      Type.Object(
        {
          agent: Name,
          purpose: Name,
          per: literals(WINDOWS),
          records: Type.Union([Count, Type.Null()], { description: 'left; null: no limit' }),
          operations: Type.Union([Count, Type.Null()], { description: 'left; null: no limit' }),
        },
        closed,
      ),
      { description: 'what is left of each budget; empty unless operational' },
    ),
    log: Type.Union([
      Type.Object(
        {
          size: Count,
          oldest: Count,
          capacity: Count,
          bytes: Count,
          fsync: Type.Object({ p50: Type.Number(), max: Type.Number() }, { ...closed, description: 'ms' }),
          checkpoint: Type.Union([Type.Object({ size: Count, time: Time }, closed), Type.Null()]),
        },
        closed,
      ),
      Type.Null(),
    ]),
    alarms: Type.Array(Type.Object({ what: literals(ALARMS), when: Time, why: Type.String() }, closed), {
      description: 'newest first',
    }),
  },
  closed,
)
export type Health = Static<typeof Health>
export const UnlockBody = Type.Union([
  Type.Object({ passphrase: Secret('of the slot admin') }, closed),
  Type.Object({ pin: Secret('of the staff member'), hostShare: Base64url(32) }, closed),
  Type.Object({ hostShare: Base64url(32) }, { ...closed, description: 'of an unattended machine' }),
])
export type UnlockBody = Static<typeof UnlockBody>

export const StateAnswer = Type.Object({ state: literals(STATES) }, closed)
export type StateAnswer = Static<typeof StateAnswer>
