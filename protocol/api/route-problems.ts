/**
 * Which error codes each route may answer with; the OpenAPI document is made from it, and tests hold what the appliance answers against it.
 */
import type { ErrorCode } from './errors.ts'
import type { RouteName } from './routes.ts'

/** Of any route: who asks, when, with what; and what may be wrong with the device. */
export const ANY_ROUTE: readonly ErrorCode[] = [
  ...(['malformed-request', 'too-large'] as const),
  ...(['unknown-agent', 'wrong-role', 'wrong-state', 'too-many-tries'] as const),
  ...(['audit-unavailable', 'audit-damaged', 'keeper-unavailable'] as const),
  ...(['rpc-malformed', 'internal'] as const),
]
/** Of what writes the keystore. */
const WRITES: readonly ErrorCode[] = ['keystore-busy', 'keystore-damaged', 'storage-failed']
/** Of what reads the keystore with something that was typed. */
const UNLOCKS: readonly ErrorCode[] = [...WRITES, 'unlock-refused', 'too-many-requests']
/** Of what is done to a key by its name. */
const TO_A_KEY: readonly ErrorCode[] = [...WRITES, 'unknown-key']

const OWN: Record<RouteName, readonly ErrorCode[]> = {
  status: [],
  health: ['health-unavailable'],
  metrics: ['health-unavailable'],
  events: ['too-many-requests'],
  provision: [...WRITES, 'too-many-requests'],
  unlock: [...UNLOCKS, 'slot-destroyed', 'rolled-back'],
  lock: [],
  lockdown: [],
  liftLockdown: UNLOCKS,
  listKeys: [],
  keySet: [],
  showKey: ['unknown-key'],
  createKey: [...WRITES, 'key-exists', 'bad-key'],
  rotateKey: [...TO_A_KEY, 'bad-key', 'key-retired'],
  setMinimum: TO_A_KEY,
  retireKey: [...TO_A_KEY, 'key-in-use'],
  undeleteKey: TO_A_KEY,
  importTicket: [],
  importKey: [...WRITES, 'bad-key', 'bad-context', 'forbidden-field', 'key-exists', 'open-failed'],
  makeCanary: [...TO_A_KEY, 'bad-key', 'bad-context', 'forbidden-field', 'key-retired'],
  listAgents: [],
  invite: [...WRITES, 'agent-exists'],
  enrol: [...WRITES, 'agent-exists', 'bad-certificate', 'invitation-refused', 'too-many-requests'],
  revoke: [...WRITES, 'unknown-name', 'last-administrator'],
  decrypt: ['over-budget'],
  rewrap: ['over-budget'],
  derive: [
    ...(['bad-context', 'bad-key', 'bad-token', 'forbidden-field'] as const),
    ...(['not-granted', 'outside-hours', 'touch-missing', 'over-budget'] as const),
    ...(['key-retired', 'open-failed', 'wrong-use'] as const),
  ],
  listGrants: [],
  myGrants: [],
  addGrant: [...WRITES, 'bad-key', 'forbidden-field', 'unknown-key', 'unknown-name'],
  removeGrant: [...WRITES, 'unknown-grant'],
  explainGrant: ['unknown-key'],
  listRecipients: [],
  addRecipient: [...WRITES, 'bad-recipient', 'recipient-exists'],
  removeRecipient: [...WRITES, 'unknown-recipient'],
  showSettings: [],
  changeSettings: WRITES,
  auditCheckpoint: [],
  auditConsistency: ['unknown-entry'],
  auditInclusion: ['unknown-entry'],
  auditEntries: ['unknown-entry'],
  auditMine: [],
  auditArchive: [...WRITES, 'audit-in-use', 'bad-checkpoint', 'unknown-entry'],
}

/** Every code that a route may answer with, as a whole; what is refused of single items is told in an answer of 200. */
export function problemsOf(route: RouteName): readonly ErrorCode[] {
  return [...new Set([...ANY_ROUTE, ...OWN[route]])]
}
