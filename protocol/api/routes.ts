/**
 * The one table of routes: path × roles × legal states. The keeper decides by it, the gate mounts by it, the tests of
 * every state × role × route are generated from it. Schemas are beside it in `schemas.ts`; this file has no imports,
 * so that the key process stays small.
 */

/**
 * States of one namespace on a device. `lockdown` has forgotten every key and needs an administrator; `failed` is a
 * keystore that cannot be read.
 */
export const STATES = ['unprovisioned', 'locked', 'operational', 'lockdown', 'failed'] as const
export type State = (typeof STATES)[number]

/** Roles that a certificate of the appliance's authority can carry. One certificate, one role. */
export const ROLES = ['administrator', 'operator', 'auditor', 'backup'] as const
export type Role = (typeof ROLES)[number]

/**
 * What a caller is to the device: an enrolled agent by its role; `claimant`, the first administrator whose
 * certificate was put on the card; `invited`, the holder of an open invitation.
 */
export type Standing = Role | 'claimant' | 'invited'

/** One row of the table. */
export interface Route {
  method: 'GET' | 'POST' | 'DELETE'
  /** Path in Fastify's notation. */
  path: string
  /** Who may call. Anybody else who is known gets `wrong-role`, anybody unknown `unknown-agent`. */
  roles: readonly Standing[]
  /** In which states; in any other the answer is `wrong-state` with the state's name. */
  states: readonly State[]
  /** One sentence for the OpenAPI document. */
  summary: string
}

const EVERYBODY: readonly Standing[] = [...ROLES, 'claimant', 'invited']
const READERS: readonly Standing[] = ['administrator', 'operator', 'auditor']
const WATCHERS: readonly Standing[] = ['administrator', 'auditor']
const OPERATIONAL: readonly State[] = ['operational']
/** From provisioning on, unless the keystore is damaged: there is a log, and an authority to know callers by. */
const PROVISIONED: readonly State[] = ['locked', 'operational', 'lockdown']

export const ROUTES = {
  status: {
    method: 'GET',
    path: '/v1/status',
    roles: EVERYBODY,
    states: STATES,
    summary: 'Which device this is, and in which state',
  },
  health: {
    method: 'GET',
    path: '/v1/health',
    roles: WATCHERS,
    states: STATES,
    summary: 'Sensors of the device; counters, budgets, log and alarms of the namespace',
  },
  metrics: {
    method: 'GET',
    path: '/metrics',
    roles: WATCHERS,
    states: STATES,
    summary: 'The numbers of /v1/health in the Prometheus text format',
  },
  events: {
    method: 'GET',
    path: '/v1/events',
    roles: ROLES,
    states: STATES,
    summary: 'A stream of server-sent events: the state, now and at each change',
  },
  provision: {
    method: 'POST',
    path: '/v1/provision',
    roles: ['claimant'],
    states: ['unprovisioned'],
    summary: 'Make the keystore, the authority and the first administrator',
  },
  unlock: {
    method: 'POST',
    path: '/v1/unlock',
    roles: ['administrator', 'operator'],
    states: ['locked'],
    summary: 'Unlock with a passphrase, or with a PIN and the host share',
  },
  lock: {
    method: 'POST',
    path: '/v1/lock',
    roles: ['administrator', 'operator'],
    states: OPERATIONAL,
    summary: 'Forget all keys until the next unlock',
  },
  lockdown: {
    method: 'POST',
    path: '/v1/lockdown',
    roles: ROLES,
    states: PROVISIONED,
    summary: 'Panic: forget all keys until an administrator lifts it',
  },
  liftLockdown: {
    method: 'POST',
    path: '/v1/lockdown/lift',
    roles: ['administrator'],
    states: ['lockdown'],
    summary: 'Lift the lockdown with the passphrase; the device is locked then',
  },
  listKeys: {
    method: 'GET',
    path: '/v1/keys',
    roles: READERS,
    states: OPERATIONAL,
    summary: 'All keys with their versions and public keys',
  },
  keySet: {
    method: 'GET',
    path: '/v1/keys/jwks.json',
    roles: READERS,
    states: OPERATIONAL,
    summary: 'The public keys that JOSE libraries can encrypt to, as a JWK set',
  },
  showKey: {
    method: 'GET',
    path: '/v1/keys/:key',
    roles: READERS,
    states: OPERATIONAL,
    summary: 'One key with its versions and public keys',
  },
  createKey: {
    method: 'POST',
    path: '/v1/keys',
    roles: ['administrator'],
    states: OPERATIONAL,
    summary: 'Make a key; its private half never leaves the device',
  },
  rotateKey: {
    method: 'POST',
    path: '/v1/keys/:key/rotate',
    roles: ['administrator'],
    states: OPERATIONAL,
    summary: 'Make a new version of a key; the old ones still open',
  },
  setMinimum: {
    method: 'POST',
    path: '/v1/keys/:key/minimum',
    roles: ['administrator'],
    states: OPERATIONAL,
    summary: 'Say which is the lowest version of a key that still opens',
  },
  retireKey: {
    method: 'POST',
    path: '/v1/keys/:key/retire',
    roles: ['administrator'],
    states: OPERATIONAL,
    summary: 'Let a version or all of a key open no more, and delete it after some days',
  },
  undeleteKey: {
    method: 'POST',
    path: '/v1/keys/:key/undelete',
    roles: ['administrator'],
    states: OPERATIONAL,
    summary: 'Take back that a version or all of a key is to be deleted',
  },
  importTicket: {
    method: 'POST',
    path: '/v1/keys/import/ticket',
    roles: ['administrator'],
    states: OPERATIONAL,
    summary: 'A public key, signed with the key of the log, to which a private key is sealed on its way in',
  },
  importKey: {
    method: 'POST',
    path: '/v1/keys/import',
    roles: ['administrator'],
    states: OPERATIONAL,
    summary: 'Import an RSA private key that a shop used before, to open and to rewrap what it sealed',
  },
  makeCanary: {
    method: 'POST',
    path: '/v1/keys/:key/canaries',
    roles: ['administrator'],
    states: OPERATIONAL,
    summary: 'Make a token that trips lockdown when it is opened',
  },
  listAgents: {
    method: 'GET',
    path: '/v1/agents',
    roles: ['administrator', 'auditor'],
    states: OPERATIONAL,
    summary: 'All enrolled agents and open invitations',
  },
  invite: {
    method: 'POST',
    path: '/v1/invitations',
    roles: ['administrator'],
    states: OPERATIONAL,
    summary: 'Invite an agent: answers with a one-time secret',
  },
  enrol: {
    method: 'POST',
    path: '/v1/enrol',
    roles: ['invited'],
    states: OPERATIONAL,
    summary: 'Turn an invitation into a certificate',
  },
  revoke: {
    method: 'DELETE',
    path: '/v1/agents/:name',
    roles: ['administrator'],
    states: OPERATIONAL,
    summary: 'Revoke an agent, or withdraw an invitation',
  },
  decrypt: {
    method: 'POST',
    path: '/v1/decrypt',
    roles: ['operator'],
    states: OPERATIONAL,
    summary: 'Open sealed fields for a purpose',
  },
  rewrap: {
    method: 'POST',
    path: '/v1/rewrap',
    roles: ['operator'],
    states: OPERATIONAL,
    summary: 'Seal fields again, under the newest version of a key, without showing them',
  },
  derive: {
    method: 'POST',
    path: '/v1/derive',
    roles: ['operator'],
    states: OPERATIONAL,
    summary: 'The raw secret that a key made for this agrees on with a public key',
  },
  listGrants: {
    method: 'GET',
    path: '/v1/grants',
    roles: WATCHERS,
    states: OPERATIONAL,
    summary: 'All grants: which agent may open what, for which purpose, how, how often and when',
  },
  myGrants: {
    method: 'GET',
    path: '/v1/grants/mine',
    roles: ['operator'],
    states: OPERATIONAL,
    summary: 'The grants of the caller, and what is left of their budgets',
  },
  addGrant: {
    method: 'POST',
    path: '/v1/grants',
    roles: ['administrator'],
    states: OPERATIONAL,
    summary: 'Add a grant',
  },
  removeGrant: {
    method: 'DELETE',
    path: '/v1/grants/:id',
    roles: ['administrator'],
    states: OPERATIONAL,
    summary: 'Remove a grant',
  },
  explainGrant: {
    method: 'POST',
    path: '/v1/grants/explain',
    roles: WATCHERS,
    states: OPERATIONAL,
    summary: 'How a request would be decided now, and by which grant',
  },
  listRecipients: {
    method: 'GET',
    path: '/v1/recipients',
    roles: READERS,
    states: OPERATIONAL,
    summary: 'All recipients that values can be forwarded to',
  },
  addRecipient: {
    method: 'POST',
    path: '/v1/recipients',
    roles: ['administrator'],
    states: OPERATIONAL,
    summary: 'Register the public key of a recipient, a JWK',
  },
  removeRecipient: {
    method: 'DELETE',
    path: '/v1/recipients/:name',
    roles: ['administrator'],
    states: OPERATIONAL,
    summary: 'Remove a recipient',
  },
  showSettings: {
    method: 'GET',
    path: '/v1/settings',
    roles: WATCHERS,
    states: OPERATIONAL,
    summary: 'Settings of the namespace',
  },
  changeSettings: {
    method: 'POST',
    path: '/v1/settings',
    roles: ['administrator'],
    states: OPERATIONAL,
    summary: 'Change settings of the namespace',
  },
  auditCheckpoint: {
    method: 'GET',
    path: '/v1/audit/checkpoint',
    roles: ROLES,
    states: PROVISIONED,
    summary: 'The newest signed checkpoint of the audit log',
  },
  auditConsistency: {
    method: 'POST',
    path: '/v1/audit/consistency',
    roles: ROLES,
    states: PROVISIONED,
    summary: 'Proof that the log of one size continues the log of a smaller one',
  },
  auditInclusion: {
    method: 'POST',
    path: '/v1/audit/inclusion',
    roles: WATCHERS,
    states: PROVISIONED,
    summary: 'One entry of the audit log, and the proof that it is in the log',
  },
  auditEntries: {
    method: 'POST',
    path: '/v1/audit/entries',
    roles: WATCHERS,
    states: PROVISIONED,
    summary: 'Entries of the audit log as they stand in it',
  },
  auditMine: {
    method: 'POST',
    path: '/v1/audit/mine',
    roles: ['operator'],
    states: PROVISIONED,
    summary: 'The newest entries of the audit log that the caller made, as they stand in it',
  },
  auditArchive: {
    method: 'POST',
    path: '/v1/audit/archive',
    roles: ['administrator'],
    states: OPERATIONAL,
    summary: 'Drop old entries that were exported and verified',
  },
} as const satisfies Record<string, Route>

export type RouteName = keyof typeof ROUTES

/** How much of a value an answer gives. */
export const REVEALS = ['full', 'last4', 'mask', 'equals', 'forward'] as const
export type Reveal = (typeof REVEALS)[number]

/** What a grant can allow: a way of revealing, to seal again what stays hidden, or to be given raw secrets. */
export const GRANTED = [...REVEALS, 'rewrap', 'derive'] as const
export type Granted = (typeof GRANTED)[number]

/**
 * What a key is for, said when it is made and never changed: `fields` opens what is bound to its place; `contextless` also what is
 * bound to none; `files` opens stanzas of age and nothing else; `derive` gives raw secrets and opens nothing.
 */
export const KEY_USES = ['fields', 'contextless', 'files', 'derive'] as const
export type KeyUse = (typeof KEY_USES)[number]

/** Class of the field that a file key of age is asked for as. */
export const AGE_FIELD = 'age.file'

/** What is opened besides tokens of fields and what imported keys open; the log tells it of each item. */
export const FOREIGN_FORMS = ['jwe', 'jwe-unbound', 'sealed-box', 'age', 'derive'] as const
export type ForeignForm = (typeof FOREIGN_FORMS)[number]

/**
 * How an imported RSA key opens: RSAES-PKCS1-v1_5, as PHP's `openssl_public_encrypt` does unless told otherwise, or OAEP with
 * SHA-1, its other padding, or with SHA-256.
 */
export const LEGACY_PADDINGS = ['pkcs1', 'oaep', 'oaep-sha256'] as const
export type LegacyPadding = (typeof LEGACY_PADDINGS)[number]

/** What a grant can ask of somebody beside the device: that they press its button. */
export const PRESENCES = ['touch'] as const

/** Windows of a budget; a month is 30 days. */
export const WINDOWS = ['minute', 'hour', 'day', 'month'] as const

/** What checks the system that a device runs: nothing, or the hash tree of an image's root. docs/image.md, "Security tiers". */
export const TIERS = ['none', 'verified-root'] as const
export type Tier = (typeof TIERS)[number]

/** What an alarm can be about. */
export const ALARMS = [
  'lockdown',
  'canary',
  'budget',
  'log-nearly-full',
  'log-damaged',
  'temperature',
] as const

/** Days after which a retired version of a key is deleted: unless told otherwise, and at most. */
export const RETIRE_DAYS = 7
export const MAX_RETIRE_DAYS = 30

/** Largest body that any route accepts, in bytes. */
export const MAX_BODY = 1_048_576

/** Most items in one decrypt request. */
export const MAX_ITEMS = 1000

/** What is looked at for the caller's own entries: so many of the newest, and so many bytes of them. */
export const MINE_LOOKS_AT = { entries: 10_000, bytes: 16_777_216 } as const

/** So many entries in a row that are older than what was asked for end the looking: the clock may have been set in between. */
export const MINE_OLDER = 1000

/** Most items in one rewrap request: each may become several tokens. */
export const MAX_REWRAP = 100

/**
 * Whether a caller of this standing may use a route in this state.
 *
 * @param standing - `null` for a caller whom the device does not know
 * @returns `null` when it may, else the code of the refusal
 */
export function admit(
  route: RouteName,
  standing: Standing | null,
  state: State,
): null | 'unknown-agent' | 'wrong-role' | 'wrong-state' {
  const { roles, states }: Route = ROUTES[route]
  if (standing === null) return 'unknown-agent'
  if (!roles.includes(standing)) return 'wrong-role'
  return states.includes(state) ? null : 'wrong-state'
}
