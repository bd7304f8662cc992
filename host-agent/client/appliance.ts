/**
 * An appliance as a program sees it: one method per route. Connections are kept alive, and made anew with back-off when
 * the wire or the gate went away.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { ROUTES, type RouteName } from '../../protocol/api/routes.ts'
import type {
  AgentInfo,
  Certificates,
  DecryptAnswer,
  DecryptBody,
  EnrolBody,
  Health,
  InviteAnswer,
  InviteBody,
  KeyInfo,
  StateAnswer,
  Status,
  UnlockBody,
} from '../../protocol/api/schemas.ts'
import { ConnectionError, readProblem } from './errors.ts'
import { BrokenExchange, exchange } from './exchange.ts'
import type { Credentials } from './identity.ts'
import { type PinCheck, WireAgent } from './tls.ts'
import type { Wire } from './wire.ts'

/** How long the client tries again when the appliance does not answer, ms. 0: one try. */
export interface Patience {
  retryFor: number
}

const FIRST_PAUSE_MS = 50
const LONGEST_PAUSE_MS = 1000
/** So many new connections in a row that the device ends without an answer mean that it does not know us. */
const REFUSALS = 3

/** Calls that may be sent twice, because they change nothing. */
const REPEATABLE: ReadonlySet<RouteName> = new Set([
  'status',
  'health',
  'listKeys',
  'showKey',
  'listAgents',
  'decrypt',
])

export class Appliance {
  readonly #wire: Wire
  readonly #agent: WireAgent
  readonly #patience: Patience

  constructor(
    wire: Wire,
    credentials: Credentials,
    check: PinCheck,
    patience: Patience = { retryFor: 5000 },
  ) {
    this.#wire = wire
    this.#agent = new WireAgent(wire, credentials, check)
    this.#patience = patience
  }

  /** Where it is, for people. */
  get address(): string {
    return this.#wire.address
  }

  status = () => this.#call<Status>('status')
  health = () => this.#call<Health>('health')
  provision = (passphrase: string) => this.#call<Certificates>('provision', { body: { passphrase } })
  unlock = (body: UnlockBody) => this.#call<StateAnswer>('unlock', { body })
  lock = () => this.#call<StateAnswer>('lock')
  listKeys = () => this.#call<{ keys: KeyInfo[] }>('listKeys')
  showKey = (key: string) => this.#call<KeyInfo>('showKey', { params: { key } })
  createKey = (name: string, suite: KeyInfo['suite'] = 'x') =>
    this.#call<KeyInfo>('createKey', { body: { name, suite } })
  rotateKey = (key: string) => this.#call<KeyInfo>('rotateKey', { params: { key } })
  listAgents = () => this.#call<{ agents: AgentInfo[] }>('listAgents')
  invite = (body: InviteBody) => this.#call<InviteAnswer>('invite', { body })
  enrol = (body: EnrolBody) => this.#call<Certificates>('enrol', { body })
  revoke = (name: string) => this.#call<{ revoked: string }>('revoke', { params: { name } })
  decrypt = (body: DecryptBody) => this.#call<DecryptAnswer>('decrypt', { body })

  /** Ends every connection. */
  async close(): Promise<void> {
    this.#agent.destroy()
    await this.#wire.close()
  }

  /**
   * Calls a route.
   *
   * @throws ApplianceError with the device's code; ConnectionError when there is no usable connection
   */
  async #call<T>(
    name: RouteName,
    input: { params?: Record<string, string>; body?: object } = {},
  ): Promise<T> {
    const { method, path } = ROUTES[name]
    const url = path.replace(/:(\w+)/g, (_, key: string) => encodeURIComponent(input.params?.[key] ?? ''))
    const body = input.body === undefined ? undefined : JSON.stringify(input.body)
    const { status, body: text } = await this.#answer(name, () => exchange(this.#agent, method, url, body))
    if (status !== 200) throw readProblem(status, text)
    return readAnswer(text) as T
  }

  async #answer<T>(name: RouteName, attempt: () => Promise<T>): Promise<T> {
    const deadline = Date.now() + this.#patience.retryFor
    let refusals = 0
    for (let pause = FIRST_PAUSE_MS; ; pause = Math.min(pause * 2, LONGEST_PAUSE_MS)) {
      try {
        return await attempt()
      } catch (error) {
        if (!(error instanceof BrokenExchange)) throw error
        refusals = error.sent && error.fresh ? refusals + 1 : 0
        const failure = this.#failure(error, refusals)
        const mayRepeat = !error.sent || REPEATABLE.has(name)
        const isFinal = failure.code !== 'unreachable' && failure.code !== 'link-failed'
        if (isFinal || !mayRepeat || Date.now() + pause > deadline) throw failure
        await sleep(pause)
      }
    }
  }

  #failure({ cause, sent }: BrokenExchange, refusals: number): ConnectionError {
    if (cause instanceof ConnectionError) return cause
    const alert = (cause as NodeJS.ErrnoException | undefined)?.code ?? ''
    if (refusals === REFUSALS || /^ERR_SSL.*(UNKNOWN_CA|CERTIFICATE)/.test(alert))
      return new ConnectionError(
        'certificate-refused',
        'the device does not accept the certificate of this machine',
        {
          cause,
          hint: 'its enrolment was revoked, or its invitation was used or has expired',
        },
      )
    return new ConnectionError('unreachable', `the connection to ${this.address} was lost`, {
      cause,
      ...(sent ? { hint: 'the device may or may not have carried out the request' } : {}),
    })
  }
}

/** Every answer is a JSON object. */
function readAnswer(text: string): object {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    // Told below.
  }
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value
  throw new ConnectionError('bad-response', 'the answer is not a JSON object')
}
