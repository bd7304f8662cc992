/**
 * The messages between gate and keeper. A request is `[id, method, caller, params]`, an answer `[id, result]` or
 * `[id, null, code, detail, hint]`, an event `[0, name, params]`. Methods bear the names of the routes they serve.
 */
import type { ErrorCode } from '../../../protocol/api/errors.ts'
import { MAX_ITEMS, ROUTES, type RouteName, type State } from '../../../protocol/api/routes.ts'
import { isName } from '../../../protocol/envelope/context.ts'
import {
  bytes,
  either,
  integer,
  list,
  map,
  nullable,
  type Of,
  type Shape,
  text,
  tuple,
  word,
} from '../../ipc/shape.ts'

const name: Shape<string> = (value): value is string => isName(value)
const pin = bytes(32, 32)
/** 32 bytes that were stretched from what a person typed: what was typed does not come here. */
const stretched = bytes(32, 32)
const hostShare = bytes(32, 32)
/** How it was stretched, Argon2id: `m` in KiB, `t` passes, `p` lanes, salt. */
const argon2 = {
  m: integer(1_048_576),
  t: integer(64),
  p: integer(16),
  salt: bytes(16, 16),
}
const nothing = map({})

/** Parameters of Argon2id. */
const Argon2 = map(argon2)
export type Argon2 = Of<typeof Argon2>
/** A new passphrase or PIN after stretching. */
const NewTyped = map({ output: stretched, ...argon2 })
export type NewTyped = Of<typeof NewTyped>

/** Who asks, as the gate read it from the certificate of the TLS connection. */
export const Caller = map({
  /** SHA-256 of the caller's SubjectPublicKeyInfo. */
  pin,
  namespace: text(64),
  role: text(64),
  name: text(64),
  /** Whose key signed it: the subject's role and name of the issuer. */
  issuer: map({ role: text(64), name: text(64) }),
})
export type Caller = Of<typeof Caller>

const routeNames = Object.keys(ROUTES) as RouteName[]
const certificate = bytes(4096)

/** One item to open: ciphertext, field, record. */
const Item = tuple<[string, string, string]>(text(131_072), text(255), text(255))

/** Parameters of every method. */
export const PARAMS = {
  admit: map({ route: word(...routeNames) }),
  status: nothing,
  provision: map({ passphrase: NewTyped }),
  /** How the caller's passphrase or PIN must be stretched for {@link unlock}; admitted as that is. */
  unlockCost: map({ factor: word('passphrase', 'pin') }),
  unlock: either(map({ passphrase: stretched }), map({ pin: stretched, hostShare })),
  lock: nothing,
  listKeys: nothing,
  showKey: map({ key: name }),
  createKey: map({ name, suite: word('x', 'p', 'q') }),
  rotateKey: map({ key: name }),
  listAgents: nothing,
  invite: map({
    name,
    role: word('administrator', 'operator', 'auditor', 'backup'),
    keys: list(name, 64),
    validFor: integer(30 * 86_400),
  }),
  enrol: map({ certificate, staff: nullable(map({ pin: NewTyped, hostShare })) }),
  revoke: map({ name }),
  decrypt: map({ purpose: name, reason: text(255), items: list(Item, MAX_ITEMS) }),
} satisfies Record<string, Shape<unknown>>

export type Method = keyof typeof PARAMS
export type Params<M extends Method> = Of<(typeof PARAMS)[M]>

/** A signed certificate and the authority that signed it, DER. */
export interface Issued {
  certificate: Uint8Array
  authority: Uint8Array
  name: string
  namespace: string
  role: string
}
export interface KeyRow {
  name: string
  suite: string
  versions: { version: number; created: number; publicKey: string }[]
}
export interface AgentRow {
  name: string
  role: string
  keys: string[]
  pin: Uint8Array | null
  since: number
  expires: number | null
}

/** Results of every method. */
export interface Results {
  admit: { standing: string }
  status: { state: State; namespace: string; reason: string }
  provision: Issued
  unlockCost: Argon2
  unlock: { state: State }
  lock: { state: State }
  listKeys: KeyRow[]
  showKey: KeyRow
  createKey: KeyRow
  rotateKey: KeyRow
  listAgents: AgentRow[]
  invite: { name: string; secret: Uint8Array; expires: number }
  enrol: Issued
  revoke: { revoked: string }
  /** For each item its plaintext, or the code of the refusal. */
  decrypt: (Uint8Array | ErrorCode)[]
}

export const Request = tuple<[number, string, Caller, unknown]>(
  integer(0xffff_ffff),
  text(32),
  Caller,
  (value): value is unknown => value !== undefined,
)

/** What the keeper tells every connected gate, at once and at each change. */
export const EVENTS = {
  /** State, and the certificates that a TLS client's chain may end in (DER). */
  trust: map({ state: text(32), issuers: list(certificate, 1024) }),
  /** Pins of agents who are no longer known: their connections must die. */
  revoked: map({ pins: list(pin, 1024) }),
} satisfies Record<string, Shape<unknown>>
export type EventName = keyof typeof EVENTS
export type EventParams<E extends EventName> = Of<(typeof EVENTS)[E]>

const isRequestId = integer(0xffff_ffff)

/** Sorts a message from the keeper. `null`: it is none that we know. */
export function readAnswer(
  message: unknown,
):
  | { kind: 'event'; name: string; params: unknown }
  | { kind: 'result'; id: number; result: unknown }
  | { kind: 'error'; id: number; code: string; detail: string; hint: string }
  | null {
  if (!Array.isArray(message) || !isRequestId(message[0])) return null
  if (message[0] === 0 && message.length === 3 && typeof message[1] === 'string')
    return { kind: 'event', name: message[1], params: message[2] }
  if (message.length === 2) return { kind: 'result', id: message[0], result: message[1] }
  const [id, , code, detail, hint] = message
  if (message.length !== 5 || ![code, detail, hint].every(part => typeof part === 'string')) return null
  return { kind: 'error', id, code, detail, hint }
}
