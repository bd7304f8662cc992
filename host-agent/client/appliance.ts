/** An appliance as a program sees it: one method per route (protocol/api/routes.ts). */
import type { State } from '../../protocol/api/routes.ts'
import type {
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
  Settings,
  StateAnswer,
  Status,
  UndeleteBody,
  UnlockBody,
} from '../../protocol/api/schemas.ts'
import { Caller, type Patience } from './caller.ts'
import { type Watching, watchEvents } from './events.ts'
import type { PinCheck } from './handshake.ts'
import type { Credentials } from './identity.ts'
import type { Wire } from './wire.ts'

export type { Patience } from './caller.ts'

/**
 * A connected appliance. Every method throws ApplianceError with the device's code, or ConnectionError when there is no
 * usable connection.
 */
export class Appliance {
  readonly #caller: Caller
  readonly #closing = new AbortController()

  constructor(
    wire: Wire,
    credentials: Credentials,
    check: PinCheck,
    patience: Patience = { retryFor: 5000 },
  ) {
    this.#caller = new Caller(wire, credentials, check, patience)
  }

  /** Where it is, for people. */
  get address(): string {
    return this.#caller.address
  }

  // the device
  status = () => this.#caller.call<Status>('status')
  health = () => this.#caller.call<Health>('health')
  /** The numbers of health in the Prometheus text format. */
  metrics = () => this.#caller.text('metrics')
  provision = (passphrase: string) => this.#caller.call<Certificates>('provision', { body: { passphrase } })
  unlock = (body: UnlockBody) => this.#caller.call<StateAnswer>('unlock', { body })
  lock = () => this.#caller.call<StateAnswer>('lock')
  /** @param reason - for the log */
  lockdown = (reason?: string) =>
    this.#caller.call<StateAnswer>('lockdown', { body: reason === undefined ? {} : { reason } })
  liftLockdown = (passphrase: string) =>
    this.#caller.call<StateAnswer>('liftLockdown', { body: { passphrase } })

  // keys
  listKeys = () => this.#caller.call<{ keys: KeyInfo[] }>('listKeys')
  showKey = (key: string) => this.#caller.call<KeyInfo>('showKey', { params: { key } })
  /** As a JWK set, for JOSE libraries. */
  keySet = () => this.#caller.call<KeySet>('keySet')
  /** @param use - fields unless told */
  createKey = (name: string, suite: CreateKeyBody['suite'] = 'x', use?: CreateKeyBody['use']) =>
    this.#caller.call<KeyInfo>('createKey', { body: { name, suite, ...(use ? { use } : {}) } })
  rotateKey = (key: string) => this.#caller.call<KeyInfo>('rotateKey', { params: { key } })
  setMinimum = (key: string, version: number) =>
    this.#caller.call<KeyInfo>('setMinimum', { params: { key }, body: { version } })
  retireKey = (key: string, body: RetireBody = {}) =>
    this.#caller.call<KeyInfo>('retireKey', { params: { key }, body })
  undeleteKey = (key: string, body: UndeleteBody = {}) =>
    this.#caller.call<KeyInfo>('undeleteKey', { params: { key }, body })
  importTicket = () => this.#caller.call<ImportTicket>('importTicket')
  /** What {@link ./hand-in.ts} made of it. */
  importKey = (body: ImportKeyBody) => this.#caller.call<KeyInfo>('importKey', { body })
  makeCanary = (key: string, body: CanaryBody) =>
    this.#caller.call<{ token: string }>('makeCanary', { params: { key }, body })

  // agents
  listAgents = () => this.#caller.call<{ agents: AgentInfo[] }>('listAgents')
  invite = (body: InviteBody) => this.#caller.call<InviteAnswer>('invite', { body })
  enrol = (body: EnrolBody) => this.#caller.call<Certificates>('enrol', { body })
  revoke = (name: string) => this.#caller.call<{ revoked: string }>('revoke', { params: { name } })

  // who may see what
  decrypt = (body: DecryptBody) => this.#caller.call<DecryptAnswer>('decrypt', { body })
  /** The raw secret that a key made for this agrees on. */
  derive = (body: DeriveBody) => this.#caller.call<DeriveAnswer>('derive', { body })
  rewrap = (body: RewrapBody) => this.#caller.call<RewrapAnswer>('rewrap', { body })
  listGrants = () => this.#caller.call<{ grants: GrantInfo[] }>('listGrants')
  /** Of the caller, an operator. */
  myGrants = () => this.#caller.call<MyGrants>('myGrants')
  addGrant = (body: GrantBody) => this.#caller.call<GrantInfo>('addGrant', { body })
  removeGrant = (id: string) => this.#caller.call<{ removed: string }>('removeGrant', { params: { id } })
  explainGrant = (body: ExplainBody) => this.#caller.call<Explanation>('explainGrant', { body })
  listRecipients = () => this.#caller.call<{ recipients: RecipientInfo[] }>('listRecipients')
  addRecipient = (body: RecipientBody) => this.#caller.call<RecipientInfo>('addRecipient', { body })
  removeRecipient = (name: string) =>
    this.#caller.call<{ removed: string }>('removeRecipient', { params: { name } })
  showSettings = () => this.#caller.call<Settings>('showSettings')
  changeSettings = (body: Settings) => this.#caller.call<Settings>('changeSettings', { body })

  // the audit log
  auditCheckpoint = () => this.#caller.call<CheckpointAnswer>('auditCheckpoint')
  auditConsistency = (body: ConsistencyBody) =>
    this.#caller.call<ConsistencyAnswer>('auditConsistency', { body })
  auditInclusion = (body: InclusionBody) => this.#caller.call<InclusionAnswer>('auditInclusion', { body })
  auditEntries = (body: EntriesBody) => this.#caller.call<EntriesAnswer>('auditEntries', { body })
  /** Of the caller, an operator; `since` in ms since 1970. */
  auditMine = (body: MineBody) => this.#caller.call<MineAnswer>('auditMine', { body })
  auditArchive = (body: ArchiveBody) => this.#caller.call<ArchiveAnswer>('auditArchive', { body })

  /**
   * Tells the state now and at each change, over every lost connection, until {@link close} or `signal`.
   *
   * @throws what trying again does not mend: ApplianceError, or ConnectionError other than `unreachable`
   */
  watch(onState: (state: State) => void, signal?: AbortSignal): Promise<void> {
    return this.watchAll({ onState }, signal)
  }

  /** As {@link watch}, and tells how many requests wait for a press of the button. */
  watchAll(watching: Watching, signal?: AbortSignal): Promise<void> {
    const ends = [this.#closing.signal, ...(signal ? [signal] : [])]
    return watchEvents(this.#caller, watching, AbortSignal.any(ends))
  }

  /** Ends every connection. */
  async close(): Promise<void> {
    this.#closing.abort()
    await this.#caller.close()
  }
}
