/**
 * `claviger/client`: a device from a program of your own. docs/client.md is the guide, docs/client/client.md the reference.
 *
 * What is exported here is what programs outside of this repository may rely on; everything else is ours and changes.
 *
 * @module client
 */

import type { DecryptAnswer, GrantBody, KeyInfo, RewrapAnswer } from '../../protocol/api/schemas.ts'

export type { ErrorCode } from '../../protocol/api/errors.ts'
export { ClavigerError } from '../../protocol/api/errors.ts'
export type {
  Granted,
  KeyUse,
  LegacyPadding,
  Reveal,
  Role,
  State,
  Tier,
} from '../../protocol/api/routes.ts'
export type {
  AgentInfo,
  ArchiveAnswer,
  ArchiveBody,
  CanaryBody,
  Certificates,
  CheckpointAnswer,
  ConsistencyAnswer,
  ConsistencyBody,
  CreateKeyBody,
  DecryptAnswer,
  DecryptBody,
  DecryptItem,
  DeriveAnswer,
  DeriveBody,
  EnrolBody,
  EntriesAnswer,
  EntriesBody,
  ExplainBody,
  Explanation,
  GrantBody,
  GrantInfo,
  Health,
  ImportKeyBody,
  ImportTicket,
  InclusionAnswer,
  InclusionBody,
  InviteAnswer,
  InviteBody,
  KeyInfo,
  KeySet,
  MineAnswer,
  MineBody,
  MyGrants,
  RecipientBody,
  RecipientInfo,
  RetireBody,
  RewrapAnswer,
  RewrapBody,
  RewrapItem,
  Settings,
  StateAnswer,
  Status,
  UndeleteBody,
  UnlockBody,
} from '../../protocol/api/schemas.ts'

/** One version of a key. */
export type KeyVersion = KeyInfo['versions'][number]
/** What became of one field that was to be opened. */
export type DecryptResult = DecryptAnswer['results'][number]
/** What became of one field that was to be sealed again. */
export type RewrapResult = RewrapAnswer['results'][number]
/** How much a grant lets through. */
export type GrantBudget = GrantBody['budgets'][number]
/** When a grant holds. */
export type GrantHours = NonNullable<GrantBody['hours']>

export type { Appliance, Patience } from './appliance.ts'
export { type ConnectOptions, connectProfile } from './connect.ts'
export { connectEnrolled, type EnrolledOptions } from './enrolled.ts'
export { ApplianceError, ConnectionError } from './errors.ts'
export type { Watching } from './events.ts'
export type { Credentials } from './identity.ts'
export { localWires } from './local-wires.ts'
export { listProfiles, type Profile, profileDirectory, readProfile } from './profile.ts'
export { withTouch } from './touch.ts'
export { type AgentDevice, agentSocket, devicesOfAgent } from './tunnel.ts'
export { type Typed, typedFor, unlock } from './unlock.ts'
export type { Wire } from './wire.ts'
export type { Witness } from './witness.ts'
export { fileWitness, memoryWitness } from './witness-file.ts'
