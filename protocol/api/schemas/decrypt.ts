/** Schemas of the routes that open: decrypt and rewrap. */
import Type, { type Static } from 'typebox'
import { MAX_ITEMS, MAX_REWRAP, REVEALS } from '../routes.ts'
import { Base64url, Count, closed, KeyRef, literals, NAME_PATTERN, Name, Time } from './common.ts'

/** Longest ciphertext of one item, in characters. */
const MAX_CIPHERTEXT = 131_072

const Ciphertext = Type.String({
  minLength: 1,
  maxLength: MAX_CIPHERTEXT,
  description: 'a token, a JWE, a sealed box of libsodium, a stanza of age, or what an imported key opens',
})

const Ref = Type.Optional(Type.String({ maxLength: 128, description: 'comes back with the result' }))
const Reason = Type.Optional(Type.String({ maxLength: 255, description: 'for the log' }))

const DecryptItem = Type.Object(
  {
    ciphertext: Ciphertext,
    context: Type.Object(
      { field: Type.String({ maxLength: 255 }), record: Type.String({ maxLength: 255 }) },
      { ...closed, description: 'where it stands, as it was said when it was sealed' },
    ),
    key: Type.Optional(KeyRef),
    reveal: Type.Optional(literals(REVEALS, 'how much of the value; full unless told')),
    keep: Type.Optional(
      Type.Integer({ minimum: 1, maximum: 6, description: 'characters that a mask leaves' }),
    ),
    candidate: Type.Optional(Type.String({ maxLength: 4096, description: 'what equals compares with' })),
    recipient: Type.Optional({ ...Name, description: 'whom forward is for' }),
    encoding: Type.Optional(literals(['base64url'], 'of the value, also where it is text')),
    ref: Ref,
  },
  closed,
)
export type DecryptItem = Static<typeof DecryptItem>

export const DecryptBody = Type.Object(
  {
    purpose: Name,
    reason: Reason,
    items: Type.Array(DecryptItem, { minItems: 1, maxItems: MAX_ITEMS }),
  },
  closed,
)
export type DecryptBody = Static<typeof DecryptBody>

const ItemError = Type.Object(
  {
    code: Type.String({ description: 'why it was refused, or did not open' }),
    free: Type.Optional({ ...Time, description: 'when the budget has room again, seconds since 1970' }),
  },
  { ...closed, description: 'instead of a value' },
)
const AuditIndex = Type.Object(
  { index: Count },
  { ...closed, description: 'the entry of this request in the log' },
)

export const DecryptAnswer = Type.Object(
  {
    results: Type.Array(
      Type.Object(
        {
          ref: Type.Optional(Type.String({ description: 'that of the item' })),
          value: Type.Optional(Type.String({ description: 'what of it was asked for' })),
          encoding: Type.Optional(literals(['base64url'], 'where the value is no text in UTF-8')),
          equals: Type.Optional(Type.Boolean({ description: 'whether it is the candidate' })),
          jwe: Type.Optional(Type.String({ description: 'the value, encrypted to the recipient' })),
          error: Type.Optional(ItemError),
        },
        closed,
      ),
    ),
    audit: AuditIndex,
  },
  closed,
)
export type DecryptAnswer = Static<typeof DecryptAnswer>

const RewrapItem = Type.Object(
  {
    ciphertext: Ciphertext,
    context: Type.Object(
      { field: Type.Optional(Type.String({ maxLength: 255 })), record: Type.String({ maxLength: 255 }) },
      { ...closed, description: 'field: of a token; what an imported key opens is split by its own rule' },
    ),
    key: Type.Optional(KeyRef),
    ref: Ref,
  },
  closed,
)
export type RewrapItem = Static<typeof RewrapItem>

export const RewrapBody = Type.Object(
  {
    purpose: Name,
    reason: Reason,
    target: Type.Optional(
      Type.String({
        pattern: NAME_PATTERN,
        description: 'key to seal under; the same one unless told. A grant must name it',
      }),
    ),
    items: Type.Array(RewrapItem, { minItems: 1, maxItems: MAX_REWRAP }),
  },
  closed,
)
export type RewrapBody = Static<typeof RewrapBody>

export const RewrapAnswer = Type.Object(
  {
    results: Type.Array(
      Type.Object(
        {
          ref: Type.Optional(Type.String({ description: 'that of the item' })),
          tokens: Type.Optional(
            Type.Array(Type.Object({ field: Name, token: Type.String() }, closed), {
              description: 'one; for a legacy payload one for each field that is kept',
            }),
          ),
          error: Type.Optional(ItemError),
        },
        closed,
      ),
    ),
    audit: AuditIndex,
  },
  closed,
)
export type RewrapAnswer = Static<typeof RewrapAnswer>

/** Longest public key: a P-256 point in its SubjectPublicKeyInfo. */
const MAX_PUBLIC_KEY = 91

export const DeriveBody = Type.Object(
  {
    purpose: Name,
    reason: Reason,
    key: Name,
    version: Type.Optional(
      Type.Integer({ minimum: 1, maximum: 0x7fff_ffff, description: 'the newest unless told' }),
    ),
    public: {
      ...Base64url(MAX_PUBLIC_KEY),
      description:
        'X25519 or P-256, raw (the point uncompressed) or as SubjectPublicKeyInfo in DER, base64url',
    },
    context: Type.Object(
      { field: Type.String({ maxLength: 255 }), record: Type.String({ maxLength: 255 }) },
      { ...closed, description: 'for grants, budgets and the log; the secret does not depend on it' },
    ),
  },
  closed,
)
export type DeriveBody = Static<typeof DeriveBody>

export const DeriveAnswer = Type.Object(
  {
    secret: Type.String({ description: '32 bytes, base64url: X25519, or the x coordinate of P-256' }),
    audit: AuditIndex,
  },
  closed,
)
export type DeriveAnswer = Static<typeof DeriveAnswer>
