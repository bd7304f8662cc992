/** Schemas of the decrypt route. */
import Type, { type Static } from 'typebox'
import { MAX_ITEMS, REVEALS } from '../routes.ts'
import { Count, closed, literals, Name, Time } from './common.ts'

/** Longest ciphertext of one item, in characters. */
const MAX_CIPHERTEXT = 131_072

const DecryptItem = Type.Object(
  {
    ciphertext: Type.String({ minLength: 1, maxLength: MAX_CIPHERTEXT }),
    context: Type.Object(
      { field: Type.String({ maxLength: 255 }), record: Type.String({ maxLength: 255 }) },
      closed,
    ),
    reveal: Type.Optional(literals(REVEALS)),
    keep: Type.Optional(
      Type.Integer({ minimum: 1, maximum: 6, description: 'characters that a mask leaves' }),
    ),
    candidate: Type.Optional(Type.String({ maxLength: 4096, description: 'what equals compares with' })),
    recipient: Type.Optional(Name),
    encoding: Type.Optional(literals(['base64url'])),
    ref: Type.Optional(Type.String({ maxLength: 128 })),
  },
  closed,
)
export type DecryptItem = Static<typeof DecryptItem>

export const DecryptBody = Type.Object(
  {
    purpose: Name,
    reason: Type.Optional(Type.String({ maxLength: 255 })),
    items: Type.Array(DecryptItem, { minItems: 1, maxItems: MAX_ITEMS }),
  },
  closed,
)
export type DecryptBody = Static<typeof DecryptBody>

export const DecryptAnswer = Type.Object(
  {
    results: Type.Array(
      Type.Object(
        {
          ref: Type.Optional(Type.String()),
          value: Type.Optional(Type.String()),
          encoding: Type.Optional(literals(['base64url'])),
          equals: Type.Optional(Type.Boolean()),
          jwe: Type.Optional(Type.String({ description: 'the value, encrypted to the recipient' })),
          error: Type.Optional(
            Type.Object(
              { code: Type.String(), free: Type.Optional(Time) },
              { ...closed, description: 'free: when the budget has room again' },
            ),
          ),
        },
        closed,
      ),
    ),
    audit: Type.Object({ index: Count }, { ...closed, description: 'the entry of this request in the log' }),
  },
  closed,
)
export type DecryptAnswer = Static<typeof DecryptAnswer>
