/**
 * The messages between gate and keeper. A request is `[id, method, caller, params]`, an answer `[id, result]` or
 * `[id, null, code, detail, hint, free]`, an event `[0, name, params]`. Methods bear the names of the routes they serve.
 */
import type { ErrorCode } from '../../../protocol/api/errors.ts'
import {
  type ALARMS,
  GRANTED,
  KEY_USES,
  type KeyUse,
  LEGACY_PADDINGS,
  MAX_ITEMS,
  MAX_RETIRE_DAYS,
  MAX_REWRAP,
  REVEALS,
  type Reveal,
  ROUTES,
  type RouteName,
  type State,
} from '../../../protocol/api/routes.ts'
import { isName } from '../../../protocol/envelope/context.ts'
import { parseKeyId } from '../../../protocol/envelope/key-id.ts'
import { LEGACY_CHARSETS } from '../../../protocol/envelope/legacy-charset.ts'
import {
  boolean,
  bytes,
  either,
  integer,
  list,
  map,
  mapWith,
  nullable,
  type Of,
  type Shape,
  text,
  tuple,
  word,
} from '../../ipc/shape.ts'
import { Budget, type Grant, Hours, Presence } from '../policy/grant.ts'

const name: Shape<string> = (value): value is string => isName(value)
/** `orders`, or `orders@3`. */
const keyRef: Shape<string> = (value): value is string =>
  typeof value === 'string' && parseKeyId(value) !== null
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

/** What an operator's machine unlocks with: a PIN and its share, or its share alone. */
const Staff = either(map({ pin: NewTyped, hostShare }), map({ hostShare }))
export type Staff = Of<typeof Staff>

/** Who asks, as the gate read it from the certificate of the TLS connection. */
export const Caller = map({
  /** SHA-256 of the caller's SubjectPublicKeyInfo. */
  pin,
  namespace: text(64),
  role: text(64),
  name: text(64),
  /** Whose key signed it: the subject of the issuer. */
  issuer: map({ namespace: text(64), role: text(64), name: text(64) }),
})
export type Caller = Of<typeof Caller>

const routeNames = Object.keys(ROUTES) as RouteName[]
const certificate = bytes(4096)

/** Characters that a mask leaves, a candidate to compare with, or the name of a recipient. */
const option = either(integer(6), text(4096))

const ciphertext = text(131_072)

/** One item to open: ciphertext, field, record, how much to reveal, and what that needs; `0` where it needs nothing. */
const TokenItem = tuple<[string, string, string, Reveal, number | string]>(
  ciphertext,
  text(255),
  text(255),
  word(...REVEALS),
  option,
)
/** The same with the key that opens it, or one version of it, where the ciphertext does not tell. */
const NamedItem = tuple<[string, string, string, Reveal, number | string, string]>(
  ciphertext,
  text(255),
  text(255),
  word(...REVEALS),
  option,
  keyRef,
)
const Item = either(TokenItem, NamedItem)
export type Item = Of<typeof Item>

/** One item to seal again: the field is missing where the rule of an imported key says it, the key where the ciphertext does. */
const RewrapItem = mapWith({ ciphertext, record: text(255) }, { field: text(255), key: keyRef })

/** How an imported key opens. */
const legacy = {
  padding: word(...LEGACY_PADDINGS),
  /** Of OAEP; empty for none. */
  label: text(255),
  separator: text(1),
  /** Class of each part of a payload; empty for one that is dropped. */
  fields: list(text(32), 16),
  charset: word(...LEGACY_CHARSETS),
  bound: boolean,
}

const Legacy = map(legacy)

/** A grant without what the keeper gives it: id and time. */
const NewGrant = mapWith(
  {
    agent: name,
    key: name,
    fields: list(text(64), 64),
    purposes: list(name, 64),
    reveal: list(word(...GRANTED), GRANTED.length),
    budgets: list(Budget, 8),
    hours: nullable(Hours),
  },
  { presence: Presence, target: name },
)

/** How refused tries slow the next ones down. */
export const Settings = map({
  tries: map({ free: integer(1000), first: integer(3600), longest: integer(86_400) }),
})
export type Settings = Of<typeof Settings>

/** Parameters of every method. */
export const PARAMS = {
  admit: map({ route: word(...routeNames) }),
  status: nothing,
  provision: map({ passphrase: NewTyped }),
  /** How the caller's passphrase or PIN must be stretched; admitted as the route that it is for. */
  unlockCost: map({ route: word('unlock', 'liftLockdown'), factor: word('passphrase', 'pin') }),
  unlock: either(
    map({ passphrase: stretched }),
    either(map({ pin: stretched, hostShare }), map({ hostShare })),
  ),
  lock: nothing,
  lockdown: map({ reason: text(255) }),
  liftLockdown: map({ passphrase: stretched }),
  /** What health and metrics tell of the namespace; admitted as the route. */
  report: map({ route: word('health', 'metrics') }),
  listKeys: nothing,
  /** The gate makes a JWK set of it. */
  keySet: nothing,
  showKey: map({ key: name }),
  createKey: mapWith({ name, suite: word('x', 'p', 'q') }, { use: word(...KEY_USES) }),
  rotateKey: map({ key: name }),
  listAgents: nothing,
  invite: map({
    name,
    role: word('administrator', 'operator', 'auditor', 'backup'),
    validFor: integer(30 * 86_400),
    unattended: boolean,
  }),
  enrol: map({ certificate, staff: nullable(Staff) }),
  revoke: map({ name }),
  decrypt: map({ purpose: name, reason: text(255), items: list(Item, MAX_ITEMS) }),
  /** `target`: the key to seal under; empty for the same one. */
  rewrap: map({
    purpose: name,
    reason: text(255),
    target: either(name, text(0)),
    items: list(RewrapItem, MAX_REWRAP),
  }),
  /** `public`: as the caller wrote it. */
  derive: map({
    purpose: name,
    reason: text(255),
    key: keyRef,
    public: text(128),
    field: text(255),
    record: text(255),
  }),
  setMinimum: map({ key: name, version: integer(0x7fff_ffff) }),
  /** Version 0 is all of them. */
  retireKey: map({ key: name, version: integer(0x7fff_ffff), days: integer(MAX_RETIRE_DAYS) }),
  undeleteKey: map({ key: name, version: integer(0x7fff_ffff) }),
  importTicket: nothing,
  /** `sealed`: to the ticket. */
  importKey: map({ name, sealed: bytes(8240, 1), ...legacy }),
  makeCanary: map({ key: name, field: text(255), record: text(255), value: text(4096) }),
  listGrants: nothing,
  myGrants: nothing,
  addGrant: NewGrant,
  removeGrant: map({ id: name }),
  explainGrant: mapWith(
    { agent: name, key: name, field: text(64), purpose: name, reveal: word(...GRANTED) },
    { target: name },
  ),
  listRecipients: nothing,
  /** The JWK as JSON text. */
  addRecipient: map({ name, jwk: text(8192) }),
  removeRecipient: map({ name }),
  showSettings: nothing,
  changeSettings: Settings,
  auditCheckpoint: nothing,
  auditConsistency: map({ from: integer(), to: integer() }),
  auditInclusion: map({ index: integer(), size: integer() }),
  auditEntries: map({ from: integer(), limit: integer(4096) }),
  /** `since` in ms. */
  auditMine: map({ since: integer(), limit: integer(1000) }),
  auditArchive: map({ before: integer(), checkpoint: text(1024) }),
} satisfies Record<string, Shape<unknown>>

export type Method = keyof typeof PARAMS
export type Params<M extends Method> = Of<(typeof PARAMS)[M]>

/** A signed certificate and the authority that signed it, DER. */
export interface Issued {
  certificate: Uint8Array
  authority: Uint8Array
  /** Verifier key of the audit log. */
  logKey: string
  name: string
  namespace: string
  role: string
}
export interface KeyRow {
  name: string
  suite: string
  /** The lowest version that opens. */
  minimum: number
  use: KeyUse
  /** Seconds since 1970 from which on openings are counted; 0 for a caller who is not told. */
  counted: number
  versions: {
    version: number
    created: number
    publicKey: string
    opens: boolean
    /** `last` in seconds since 1970, 0 for never; `null` for a caller who is not told. */
    opened: { count: number; last: number } | null
    /** `deleted`: when, if the device is never off. */
    retired: { since: number; days: number; deleted: number } | null
  }[]
  /** Of an imported key. */
  legacy: (Of<typeof Legacy> & { bits: number }) | null
}
export interface AgentRow {
  name: string
  role: string
  pin: Uint8Array | null
  since: number
  expires: number | null
  /** Its machine unlocks without a person, or may. */
  unattended: boolean
}

/** What an item became: its value, whether it equals, the code of the refusal, or that with when there is room. */
export type Opened = Uint8Array | boolean | ErrorCode | [ErrorCode, number]

/** What an item became that was to be sealed again: a token for each field, or why there is none. */
export type Rewrapped = { field: string; token: string }[] | ErrorCode | { code: ErrorCode; free: number }

/** An alarm: what, when (seconds since 1970), why. */
export interface Alarm {
  what: (typeof ALARMS)[number]
  when: number
  why: string
}

/** What an auditor may know of a namespace at a glance. */
export interface Report {
  /** Items decided since the start: by `allowed`, or the code of the refusal. */
  decisions: Record<string, number>
  budgets: {
    agent: string
    purpose: string
    per: Budget['per']
    records: number | null
    operations: number | null
  }[]
  log: {
    size: number
    oldest: number
    capacity: number
    bytes: number
    /** Microseconds: CBOR here has no fractions. */
    fsync: { p50: number; max: number }
    checkpoint: { size: number; time: number } | null
  } | null
  alarms: Alarm[]
}

export interface ExplanationRow {
  allowed: boolean
  code: string
  grant: string
  /** Seconds since 1970; 0 for none. */
  free: number
  /** Once somebody presses the button. */
  touch: boolean
  rules: { grant: string; outcome: string }[]
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
  keySet: KeyRow[]
  showKey: KeyRow
  createKey: KeyRow
  rotateKey: KeyRow
  listAgents: AgentRow[]
  invite: { name: string; secret: Uint8Array; expires: number }
  enrol: Issued
  revoke: { revoked: string }
  decrypt: { opened: Opened[]; index: number }
  rewrap: { rewrapped: Rewrapped[]; index: number }
  derive: { secret: Uint8Array; index: number }
  setMinimum: KeyRow
  retireKey: KeyRow
  undeleteKey: KeyRow
  importTicket: { publicKey: Uint8Array; signature: Uint8Array }
  importKey: KeyRow
  lockdown: { state: State }
  liftLockdown: { state: State }
  report: Report
  makeCanary: { token: string }
  listGrants: Grant[]
  myGrants: { grants: Grant[]; budgets: Omit<Report['budgets'][number], 'agent'>[] }
  addGrant: Grant
  removeGrant: { removed: string }
  explainGrant: ExplanationRow
  listRecipients: { name: string; jwk: string; since: number }[]
  addRecipient: { name: string; jwk: string; since: number }
  removeRecipient: { removed: string }
  showSettings: Settings
  changeSettings: Settings
  auditCheckpoint: { checkpoint: string; logKey: string }
  auditConsistency: Uint8Array[]
  auditInclusion: { entry: string; proof: Uint8Array[] }
  auditEntries: { entries: string[]; leaves: Uint8Array; oldest: number; size: number; dropped: Uint8Array[] }
  auditMine: { entries: string[]; complete: boolean }
  auditArchive: { oldest: number; size: number }
}

export const Request = tuple<[number, string, Caller, unknown]>(
  integer(0xffff_ffff),
  text(32),
  Caller,
  (value): value is unknown => value !== undefined,
)

/** What the keeper tells every connected gate, at once and at each change. */
export const EVENTS = {
  /** State of a namespace, and the certificates that its TLS clients' chains may end in (DER). */
  trust: map({ namespace: text(64), state: text(32), issuers: list(certificate, 1024) }),
  /** Pins of agents who are no longer known: their connections must die. */
  revoked: map({ pins: list(pin, 1024) }),
  /** Requests of a namespace that wait for a press of the button; 0 when the last of them waits no longer. */
  touch: map({ namespace: text(64), count: integer(1024) }),
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
  | { kind: 'error'; id: number; code: string; detail: string; hint: string; free: number }
  | null {
  if (!Array.isArray(message) || !isRequestId(message[0])) return null
  if (message[0] === 0 && message.length === 3 && typeof message[1] === 'string')
    return { kind: 'event', name: message[1], params: message[2] }
  if (message.length === 2) return { kind: 'result', id: message[0], result: message[1] }
  const [id, , code, detail, hint, free] = message
  if (message.length !== 6 || ![code, detail, hint].every(part => typeof part === 'string')) return null
  return Number.isSafeInteger(free) ? { kind: 'error', id, code, detail, hint, free } : null
}
