/** Schemas of the routes about keys and canaries. */
import Type, { type Static } from 'typebox'
import { closed, literals, Name, Time } from './common.ts'

export const SUITES = ['x', 'p', 'q'] as const

export const KeyInfo = Type.Object(
  {
    name: Name,
    suite: literals(SUITES),
    versions: Type.Array(
      Type.Object(
        {
          version: Type.Integer({ minimum: 1 }),
          created: Time,
          publicKey: Type.String({ description: 'what the shop server seals with' }),
        },
        closed,
      ),
      { description: 'oldest first; the last one is current' },
    ),
  },
  closed,
)
export type KeyInfo = Static<typeof KeyInfo>

export const CanaryBody = Type.Object(
  {
    field: Type.String({ maxLength: 255 }),
    record: Type.String({ maxLength: 255 }),
    value: Type.String({ minLength: 1, maxLength: 4096, description: 'a decoy, as real as the others look' }),
  },
  closed,
)
export type CanaryBody = Static<typeof CanaryBody>
