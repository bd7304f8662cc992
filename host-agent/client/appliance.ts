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
 * A connected device. It connects again by itself, and tries again for as long as its {@link Patience} says, what may be sent twice; a call
 * that was cut off and may not, such as `createKey`, is told of with `unreachable`.
 *
 * @throws {@link ApplianceError} with the device's code, by every method; {@link ConnectionError} when there is no usable connection
 */
export class Appliance {
  readonly #caller: Caller
  readonly #closing = new AbortController()

  /** @internal */
  constructor(
    wire: Wire,
    credentials: Credentials,
    check: PinCheck,
    patience: Patience = { retryFor: 5000 },
  ) {
    this.#caller = new Caller(wire, credentials, check, patience)
  }

  /** Where it is, for people: `https://192.168.1.5:8443`, `usb:0123456789abcdef`. */
  get address(): string {
    return this.#caller.address
  }

  // the device
  /** Which device it is, and in which state. */
  status = () => this.#caller.call<Status>('status')
  /** Sensors of the device; counters, budgets, log and alarms of the namespace. */
  health = () => this.#caller.call<Health>('health')
  /** The numbers of health in the Prometheus text format. */
  metrics = () => this.#caller.text('metrics')
  /**
   * Makes the keystore, the authority and the first administrator.
   *
   * @param passphrase - at least 8 characters
   */
  provision = (passphrase: string) => this.#caller.call<Certificates>('provision', { body: { passphrase } })
  /** Unlocks with a passphrase, with a PIN and the host share, or with the share of an unattended machine; {@link unlock} knows which. */
  unlock = (body: UnlockBody) => this.#caller.call<StateAnswer>('unlock', { body })
  /** Lets the device forget its keys until the next unlock. */
  lock = () => this.#caller.call<StateAnswer>('lock')
  /**
   * Lets the device forget its keys until an administrator lifts it.
   *
   * @param reason - for the log
   */
  lockdown = (reason?: string) =>
    this.#caller.call<StateAnswer>('lockdown', { body: reason === undefined ? {} : { reason } })
  /**
   * Lifts a lockdown; the device is locked then.
   *
   * @param passphrase - of an administrator
   */
  liftLockdown = (passphrase: string) =>
    this.#caller.call<StateAnswer>('liftLockdown', { body: { passphrase } })

  // keys
  /** All keys with their versions and public keys. */
  listKeys = () => this.#caller.call<{ keys: KeyInfo[] }>('listKeys')
  /**
   * One key with its versions and public keys.
   *
   * @param key - its name
   */
  showKey = (key: string) => this.#caller.call<KeyInfo>('showKey', { params: { key } })
  /** The public keys as a JWK set, for JOSE libraries. */
  keySet = () => this.#caller.call<KeySet>('keySet')
  /**
   * Makes a key; its private half never leaves the device.
   *
   * @param suite - `x` X25519, `p` P-256, `q` X-Wing, against quantum computers
   * @param use - fields unless told
   */
  createKey = (name: string, suite: CreateKeyBody['suite'] = 'x', use?: CreateKeyBody['use']) =>
    this.#caller.call<KeyInfo>('createKey', { body: { name, suite, ...(use ? { use } : {}) } })
  /** Makes a new version of a key; the old ones still open. */
  rotateKey = (key: string) => this.#caller.call<KeyInfo>('rotateKey', { params: { key } })
  /**
   * Says which version of a key is the lowest that still opens.
   *
   * @param version - from 1 on
   */
  setMinimum = (key: string, version: number) =>
    this.#caller.call<KeyInfo>('setMinimum', { params: { key }, body: { version } })
  /** Lets a version, or all of a key, open no more, and deletes it after some days. */
  retireKey = (key: string, body: RetireBody = {}) =>
    this.#caller.call<KeyInfo>('retireKey', { params: { key }, body })
  /** Takes back that a version, or all of a key, is to be deleted. */
  undeleteKey = (key: string, body: UndeleteBody = {}) =>
    this.#caller.call<KeyInfo>('undeleteKey', { params: { key }, body })
  /** A public key, signed with the key of the log, to which a private key is sealed on its way in. */
  importTicket = () => this.#caller.call<ImportTicket>('importTicket')
  /** Imports an RSA private key that a shop used before, sealed to an {@link ImportTicket}. */
  importKey = (body: ImportKeyBody) => this.#caller.call<KeyInfo>('importKey', { body })
  /** Makes a token that trips lockdown when it is opened. */
  makeCanary = (key: string, body: CanaryBody) =>
    this.#caller.call<{ token: string }>('makeCanary', { params: { key }, body })

  // agents
  /** All enrolled agents and open invitations. */
  listAgents = () => this.#caller.call<{ agents: AgentInfo[] }>('listAgents')
  /** Invites an agent: answers with a one-time secret, base64url. */
  invite = (body: InviteBody) => this.#caller.call<InviteAnswer>('invite', { body })
  /** Turns the invitation that this connection was made with into a certificate. */
  enrol = (body: EnrolBody) => this.#caller.call<Certificates>('enrol', { body })
  /** Revokes an agent, or withdraws an invitation. */
  revoke = (name: string) => this.#caller.call<{ revoked: string }>('revoke', { params: { name } })

  // who may see what
  /**
   * Opens fields for a purpose. Each item has its own result, in order: a value, or the code of what was refused of it. One that waits for a
   * press of the button holds the answer up for half a minute ({@link withTouch}).
   */
  decrypt = (body: DecryptBody) => this.#caller.call<DecryptAnswer>('decrypt', { body })
  /** The raw secret that a key made for this agrees on with a public key (RFC 7748 §6.1; SP 800-56A §5.7.1.2). */
  derive = (body: DeriveBody) => this.#caller.call<DeriveAnswer>('derive', { body })
  /** Seals fields again, under the newest version of a key, without showing them. Results as those of {@link Appliance.decrypt}. */
  rewrap = (body: RewrapBody) => this.#caller.call<RewrapAnswer>('rewrap', { body })
  /** All grants: which agent may open what, for which purpose, how, how often and when. */
  listGrants = () => this.#caller.call<{ grants: GrantInfo[] }>('listGrants')
  /** The grants of the caller, and what is left of their budgets. */
  myGrants = () => this.#caller.call<MyGrants>('myGrants')
  /** Adds a grant. */
  addGrant = (body: GrantBody) => this.#caller.call<GrantInfo>('addGrant', { body })
  /** Removes a grant. */
  removeGrant = (id: string) => this.#caller.call<{ removed: string }>('removeGrant', { params: { id } })
  /** How a request would be decided now, and by which grant. */
  explainGrant = (body: ExplainBody) => this.#caller.call<Explanation>('explainGrant', { body })
  /** All recipients that values can be forwarded to. */
  listRecipients = () => this.#caller.call<{ recipients: RecipientInfo[] }>('listRecipients')
  /** Registers the public key of a recipient, a JWK. */
  addRecipient = (body: RecipientBody) => this.#caller.call<RecipientInfo>('addRecipient', { body })
  /** Removes a recipient. */
  removeRecipient = (name: string) =>
    this.#caller.call<{ removed: string }>('removeRecipient', { params: { name } })
  /** Settings of the namespace. */
  showSettings = () => this.#caller.call<Settings>('showSettings')
  /** Changes settings of the namespace. */
  changeSettings = (body: Settings) => this.#caller.call<Settings>('changeSettings', { body })

  // the audit log
  /** The newest signed checkpoint of the log. */
  auditCheckpoint = () => this.#caller.call<CheckpointAnswer>('auditCheckpoint')
  /** Proof that the log of one size continues the log of a smaller one. */
  auditConsistency = (body: ConsistencyBody) =>
    this.#caller.call<ConsistencyAnswer>('auditConsistency', { body })
  /** One entry of the log, and the proof that it is in the log. */
  auditInclusion = (body: InclusionBody) => this.#caller.call<InclusionAnswer>('auditInclusion', { body })
  /** Entries of the log as they stand in it. */
  auditEntries = (body: EntriesBody) => this.#caller.call<EntriesAnswer>('auditEntries', { body })
  /** The newest entries of the log that the caller made; `since` in ms since 1970. */
  auditMine = (body: MineBody) => this.#caller.call<MineAnswer>('auditMine', { body })
  /** Drops old entries that were exported and verified. */
  auditArchive = (body: ArchiveBody) => this.#caller.call<ArchiveAnswer>('auditArchive', { body })

  /**
   * Tells the state now and at each change, over every lost connection, until {@link Appliance.close} or `signal`.
   *
   * @throws what trying again does not mend: {@link ApplianceError}, or {@link ConnectionError} other than `unreachable`
   */
  watch(onState: (state: State) => void, signal?: AbortSignal): Promise<void> {
    return this.watchAll({ onState }, signal)
  }

  /** As {@link Appliance.watch}, and tells how many requests wait for a press of the button. */
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
