/** Schemas of the routes about keys and canaries. */
import Type, { type Static } from 'typebox'
import { LEGACY_CHARSETS } from '../../envelope/legacy-charset.ts'
import { KEY_USES, LEGACY_PADDINGS, MAX_RETIRE_DAYS, RETIRE_DAYS } from '../routes.ts'
import { Base64url, Count, closed, literals, Name, Time } from './common.ts'

export const SUITES = ['x', 'p', 'q'] as const

/** How an imported key opens what a shop's own code encrypted. */
const legacyForm = {
  padding: literals(LEGACY_PADDINGS),
  label: Type.Optional(Type.String({ minLength: 1, maxLength: 255, description: 'of OAEP' })),
  bound: Type.Optional(
    Type.Boolean({
      description: 'the label of OAEP is the context of each value, so that it opens nowhere else',
    }),
  ),
  separator: Type.String({
    minLength: 1,
    maxLength: 1,
    description: 'between the parts of a payload, ASCII',
  }),
  fields: Type.Array(Type.String({ maxLength: 32 }), {
    minItems: 1,
    maxItems: 16,
    description: 'class of each part of a payload in its order; empty for one that is dropped',
  }),
  charset: Type.Optional({
    ...literals(LEGACY_CHARSETS),
    description: `of the text in a payload; ${LEGACY_CHARSETS[0]} unless told`,
  }),
}

export const KeyInfo = Type.Object(
  {
    name: Name,
    suite: literals([...SUITES, 'rsa']),
    use: { ...literals(KEY_USES), description: 'what it is for; never changed' },
    versions: Type.Array(
      Type.Object(
        {
          version: Type.Integer({ minimum: 1 }),
          created: Time,
          publicKey: Type.String({ description: 'what the shop server seals with; PEM of an imported key' }),
          opens: Type.Boolean({ description: 'false below the minimum, and once it is retired' }),
          opened: Type.Optional(
            Type.Object(
              { count: Count, last: Type.Optional(Time) },
              {
                ...closed,
                description: 'fields that were asked for under it and allowed; for those who read the log',
              },
            ),
          ),
          retired: Type.Optional(
            Type.Object(
              { since: Time, days: Type.Integer({ minimum: 1, maximum: MAX_RETIRE_DAYS }), deleted: Time },
              { ...closed, description: 'deleted: when it will be, if the device is never off' },
            ),
          ),
        },
        closed,
      ),
      { description: 'oldest first; the last one is current' },
    ),
    minimum: Type.Integer({ minimum: 1, description: 'the lowest version that opens' }),
    counted: Type.Optional({ ...Time, description: 'seconds since 1970 from which on openings are counted' }),
    exportable: Type.Boolean({ description: 'always false: no key leaves the device' }),
    legacy: Type.Optional(
      Type.Object(
        { bits: Type.Integer({ minimum: 1024, maximum: 4096 }), ...legacyForm },
        { ...closed, description: 'of an imported key, which only opens' },
      ),
    ),
  },
  closed,
)
export type KeyInfo = Static<typeof KeyInfo>

const Version = Type.Integer({ minimum: 1, maximum: 0x7fff_ffff })
const AllUnlessTold = Type.Optional({ ...Version, description: 'all of the key unless told' })

export const MinimumBody = Type.Object({ version: Version }, closed)
export type MinimumBody = Static<typeof MinimumBody>

export const RetireBody = Type.Object(
  {
    version: AllUnlessTold,
    days: Type.Optional(
      Type.Integer({ minimum: 1, maximum: MAX_RETIRE_DAYS, description: `${RETIRE_DAYS} unless told` }),
    ),
  },
  closed,
)
export type RetireBody = Static<typeof RetireBody>

export const UndeleteBody = Type.Object({ version: AllUnlessTold }, closed)
export type UndeleteBody = Static<typeof UndeleteBody>

export const CreateKeyBody = Type.Object(
  {
    name: Name,
    suite: literals(SUITES),
    use: Type.Optional({ ...literals(KEY_USES), description: 'fields unless told; cannot be changed later' }),
  },
  closed,
)
export type CreateKeyBody = Static<typeof CreateKeyBody>

const Jwk = Type.Object(
  {
    kty: literals(['OKP', 'EC', 'RSA']),
    crv: Type.Optional(literals(['X25519', 'P-256'])),
    x: Type.Optional(Type.String()),
    y: Type.Optional(Type.String()),
    n: Type.Optional(Type.String()),
    e: Type.Optional(Type.String()),
    kid: Type.String({ description: 'name and version of the key: orders@3' }),
    alg: literals(['ECDH-ES', 'RSA-OAEP-256']),
    use: literals(['enc']),
  },
  closed,
)

export const KeySet = Type.Object(
  { keys: Type.Array(Jwk, { description: 'of each key the newest version first' }) },
  closed,
)
export type KeySet = Static<typeof KeySet>

export const ImportTicket = Type.Object(
  {
    publicKey: Type.String({ description: 'X25519, base64url' }),
    signature: Type.String({ description: 'Ed25519, base64url' }),
  },
  closed,
)
export type ImportTicket = Static<typeof ImportTicket>

export const ImportKeyBody = Type.Object(
  {
    name: Name,
    sealed: {
      ...Base64url(8240),
      description: 'an RSA key of 1,024 to 4,096 bits, PKCS#8 DER, sealed to a ticket',
    },
    ...legacyForm,
  },
  closed,
)
export type ImportKeyBody = Static<typeof ImportKeyBody>

export const CanaryBody = Type.Object(
  {
    field: Type.String({ maxLength: 255 }),
    record: Type.String({ maxLength: 255 }),
    value: Type.String({ minLength: 1, maxLength: 4096, description: 'a decoy, as real as the others look' }),
  },
  closed,
)
export type CanaryBody = Static<typeof CanaryBody>
