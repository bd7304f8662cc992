/**
 * TypeBox schemas of every route's body, parameters and answer. The OpenAPI document is generated from them; the host
 * agent uses the types. Unknown properties are refused, nothing is coerced.
 */
import Type, { type Static, type TSchema } from 'typebox'
import { ERRORS, type ErrorCode } from './errors.ts'
import { MAX_ITEMS, ROLES, type RouteName, STATES } from './routes.ts'

const closed = { additionalProperties: false }
const literals = <const T extends readonly string[]>(values: T) =>
  Type.Unsafe<T[number]>({ type: 'string', enum: [...values] })

/** Names of namespaces, keys, agents and purposes. */
export const NAME_PATTERN = '^[a-z0-9][a-z0-9.-]{0,31}$'

const Name = Type.String({
  pattern: NAME_PATTERN,
  description: 'lower-case letters, digits, dots and hyphens',
})
const Base64url = (bytes: number) =>
  Type.String({ minLength: 1, maxLength: Math.ceil((bytes * 4) / 3), pattern: '^[A-Za-z0-9_-]+$' })
const Secret = (description: string) => Type.String({ minLength: 1, maxLength: 1024, description })
const Time = Type.Integer({ minimum: 0, description: 'seconds since 1970' })

export const Problem = Type.Object(
  {
    type: Type.String(),
    title: Type.String(),
    status: Type.Integer(),
    code: literals(Object.keys(ERRORS) as ErrorCode[]),
    detail: Type.Optional(Type.String()),
    hint: Type.Optional(Type.String()),
    state: Type.Optional(literals(STATES)),
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
  },
  closed,
)
export type Health = Static<typeof Health>

/** Who provisions or enrols is told by the certificate of its TLS connection, so no body names a key. */
export const ProvisionBody = Type.Object(
  { passphrase: Secret('of the slot admin, at least 8 characters') },
  closed,
)

export const Certificates = Type.Object(
  {
    certificate: Base64url(4096),
    authority: Base64url(4096),
    name: Name,
    namespace: Name,
    role: literals(ROLES),
  },
  { ...closed, description: 'DER in base64url' },
)
export type Certificates = Static<typeof Certificates>

export const UnlockBody = Type.Union([
  Type.Object({ passphrase: Secret('of the slot admin') }, closed),
  Type.Object({ pin: Secret('of the staff member'), hostShare: Base64url(32) }, closed),
])
export type UnlockBody = Static<typeof UnlockBody>

export const StateAnswer = Type.Object({ state: literals(STATES) }, closed)
export type StateAnswer = Static<typeof StateAnswer>

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

export const AgentInfo = Type.Object(
  {
    name: Name,
    role: literals(ROLES),
    keys: Type.Array(Name),
    pin: Type.Union([Type.String(), Type.Null()], { description: 'SPKI SHA-256; null for an invitation' }),
    since: Time,
    expires: Type.Union([Time, Type.Null()], { description: 'of an invitation' }),
  },
  closed,
)
export type AgentInfo = Static<typeof AgentInfo>

export const InviteBody = Type.Object(
  {
    name: Name,
    role: literals(ROLES),
    keys: Type.Array(Name, { maxItems: 64, description: 'keys an operator may open with' }),
    validFor: Type.Integer({ minimum: 60, maximum: 30 * 86_400, description: 'seconds' }),
  },
  closed,
)
export type InviteBody = Static<typeof InviteBody>

export const InviteAnswer = Type.Object({ name: Name, secret: Base64url(32), expires: Time }, closed)
export type InviteAnswer = Static<typeof InviteAnswer>

export const EnrolBody = Type.Object(
  {
    pin: Type.Optional(Secret('makes a staff unlock slot, together with hostShare')),
    hostShare: Type.Optional(Base64url(32)),
  },
  closed,
)
export type EnrolBody = Static<typeof EnrolBody>

/** Longest ciphertext of one item, in characters. */
const MAX_CIPHERTEXT = 131_072

const DecryptItem = Type.Object(
  {
    ciphertext: Type.String({ minLength: 1, maxLength: MAX_CIPHERTEXT }),
    context: Type.Object(
      { field: Type.String({ maxLength: 255 }), record: Type.String({ maxLength: 255 }) },
      closed,
    ),
    reveal: Type.Optional(literals(['full'])),
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
          error: Type.Optional(Type.Object({ code: Type.String() }, closed)),
        },
        closed,
      ),
    ),
  },
  closed,
)
export type DecryptAnswer = Static<typeof DecryptAnswer>

const KeyParams = Type.Object({ key: Name }, closed)
const NameParams = Type.Object({ name: Name }, closed)
const Keys = Type.Object({ keys: Type.Array(KeyInfo) }, closed)

/** Body, path parameters and answer (200) of each route. */
export const SCHEMAS: Record<RouteName, { body?: TSchema; params?: TSchema; answer: TSchema }> = {
  status: { answer: Status },
  health: { answer: Health },
  provision: { body: ProvisionBody, answer: Certificates },
  unlock: { body: UnlockBody, answer: StateAnswer },
  lock: { answer: StateAnswer },
  listKeys: { answer: Keys },
  showKey: { params: KeyParams, answer: KeyInfo },
  createKey: { body: Type.Object({ name: Name, suite: literals(SUITES) }, closed), answer: KeyInfo },
  rotateKey: { params: KeyParams, answer: KeyInfo },
  listAgents: { answer: Type.Object({ agents: Type.Array(AgentInfo) }, closed) },
  invite: { body: InviteBody, answer: InviteAnswer },
  enrol: { body: EnrolBody, answer: Certificates },
  revoke: { params: NameParams, answer: Type.Object({ revoked: Name }, closed) },
  decrypt: { body: DecryptBody, answer: DecryptAnswer },
}
