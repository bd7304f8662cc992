/**
 * TypeBox schemas of every route's body, parameters and answer. The OpenAPI document is generated from them; the host
 * agent uses the types. Unknown properties are refused, nothing is coerced.
 */
import Type, { type TSchema } from 'typebox'
import type { RouteName } from './routes.ts'
import * as agents from './schemas/agents.ts'
import * as audit from './schemas/audit.ts'
import { closed, Name } from './schemas/common.ts'
import * as opening from './schemas/decrypt.ts'
import * as device from './schemas/device.ts'
import * as keys from './schemas/keys.ts'
import * as policy from './schemas/policy.ts'

export * from './schemas/agents.ts'
export * from './schemas/audit.ts'
export { NAME_PATTERN } from './schemas/common.ts'
export * from './schemas/decrypt.ts'
export * from './schemas/device.ts'
export * from './schemas/keys.ts'
export * from './schemas/policy.ts'

const KeyParams = Type.Object({ key: Name }, closed)
const NameParams = Type.Object({ name: Name }, closed)
const GrantParams = Type.Object({ id: Name }, closed)
const Keys = Type.Object({ keys: Type.Array(keys.KeyInfo) }, closed)

/** Body, path parameters and answer (200) of each route. */
export const SCHEMAS: Record<RouteName, { body?: TSchema; params?: TSchema; answer: TSchema }> = {
  status: { answer: device.Status },
  health: { answer: device.Health },
  provision: { body: agents.ProvisionBody, answer: agents.Certificates },
  unlock: { body: device.UnlockBody, answer: device.StateAnswer },
  lock: { answer: device.StateAnswer },
  lockdown: {
    body: Type.Object({ reason: Type.Optional(Type.String({ maxLength: 255 })) }, closed),
    answer: device.StateAnswer,
  },
  liftLockdown: { body: agents.ProvisionBody, answer: device.StateAnswer },
  metrics: { answer: Type.String() },
  events: { answer: Type.String() },
  listKeys: { answer: Keys },
  keySet: { answer: keys.KeySet },
  showKey: { params: KeyParams, answer: keys.KeyInfo },
  createKey: { body: keys.CreateKeyBody, answer: keys.KeyInfo },
  rotateKey: { params: KeyParams, answer: keys.KeyInfo },
  listAgents: { answer: Type.Object({ agents: Type.Array(agents.AgentInfo) }, closed) },
  invite: { body: agents.InviteBody, answer: agents.InviteAnswer },
  enrol: { body: agents.EnrolBody, answer: agents.Certificates },
  revoke: { params: NameParams, answer: Type.Object({ revoked: Name }, closed) },
  rewrap: { body: opening.RewrapBody, answer: opening.RewrapAnswer },
  derive: { body: opening.DeriveBody, answer: opening.DeriveAnswer },
  decrypt: { body: opening.DecryptBody, answer: opening.DecryptAnswer },
  setMinimum: { params: KeyParams, body: keys.MinimumBody, answer: keys.KeyInfo },
  retireKey: { params: KeyParams, body: keys.RetireBody, answer: keys.KeyInfo },
  undeleteKey: { params: KeyParams, body: keys.UndeleteBody, answer: keys.KeyInfo },
  importTicket: { answer: keys.ImportTicket },
  importKey: { body: keys.ImportKeyBody, answer: keys.KeyInfo },
  makeCanary: {
    body: keys.CanaryBody,
    params: KeyParams,
    answer: Type.Object({ token: Type.String() }, closed),
  },
  listGrants: { answer: Type.Object({ grants: Type.Array(policy.GrantInfo) }, closed) },
  myGrants: { answer: policy.MyGrants },
  addGrant: { body: policy.GrantBody, answer: policy.GrantInfo },
  removeGrant: { params: GrantParams, answer: Type.Object({ removed: Name }, closed) },
  explainGrant: { body: policy.ExplainBody, answer: policy.Explanation },
  listRecipients: { answer: Type.Object({ recipients: Type.Array(policy.RecipientInfo) }, closed) },
  addRecipient: { body: policy.RecipientBody, answer: policy.RecipientInfo },
  removeRecipient: { params: NameParams, answer: Type.Object({ removed: Name }, closed) },
  showSettings: { answer: policy.Settings },
  changeSettings: { body: policy.Settings, answer: policy.Settings },
  auditCheckpoint: { answer: audit.CheckpointAnswer },
  auditConsistency: { body: audit.ConsistencyBody, answer: audit.ConsistencyAnswer },
  auditInclusion: { body: audit.InclusionBody, answer: audit.InclusionAnswer },
  auditEntries: { body: audit.EntriesBody, answer: audit.EntriesAnswer },
  auditMine: { body: audit.MineBody, answer: audit.MineAnswer },
  auditArchive: { body: audit.ArchiveBody, answer: audit.ArchiveAnswer },
}
