/**
 * Calls a route of an appliance. Connections are kept alive, and made anew with back-off when the wire or the gate went
 * away.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { ROUTES, type RouteName } from '../../protocol/api/routes.ts'
import { ConnectionError, readProblem } from './errors.ts'
import { type Answer, BrokenExchange, exchange } from './exchange.ts'
import type { PinCheck } from './handshake.ts'
import type { Credentials } from './identity.ts'
import { WireAgent } from './tls.ts'
import { TurnedAway } from './turned-away.ts'
import type { Wire } from './wire.ts'

/** How long the client tries again when the appliance does not answer, ms. 0: one try. */
export interface Patience {
  retryFor: number
}

/** What a call sends. */
export interface Input {
  params?: Record<string, string>
  body?: object
}

const FIRST_PAUSE_MS = 50
const LONGEST_PAUSE_MS = 1000

/**
 * Calls that may be sent twice: they change nothing, or a second time nothing more. A decrypt that arrives twice is
 * logged and counted twice, which errs on the safe side.
 */
const REPEATABLE: ReadonlySet<RouteName> = new Set([
  'status',
  'health',
  'metrics',
  'lockdown',
  'listKeys',
  'keySet',
  'showKey',
  'listAgents',
  'decrypt',
  'derive',
  'rewrap',
  'listGrants',
  'myGrants',
  'explainGrant',
  'listRecipients',
  'showSettings',
  'auditCheckpoint',
  'auditConsistency',
  'auditInclusion',
  'auditEntries',
  'auditMine',
])

/** Pauses between tries, ms: longer and longer, up to `longest`. */
export function* pauses(longest = LONGEST_PAUSE_MS): Generator<number, never> {
  for (let pause = FIRST_PAUSE_MS; ; pause = Math.min(pause * 2, longest)) yield pause
}

export class Caller {
  readonly #wire: Wire
  readonly #patience: Patience
  readonly agent: WireAgent

  constructor(wire: Wire, credentials: Credentials, check: PinCheck, patience: Patience) {
    this.#wire = wire
    this.#patience = patience
    this.agent = new WireAgent(wire, credentials, check)
  }

  get wire(): Wire {
    return this.#wire
  }

  /** Where the appliance is, for people. */
  get address(): string {
    return this.#wire.address
  }

  /**
   * Calls a route that answers with a JSON object.
   *
   * @throws ApplianceError with the device's code; ConnectionError when there is no usable connection
   */
  async call<T>(name: RouteName, input: Input = {}): Promise<T> {
    return readAnswer(await this.text(name, input)) as T
  }

  /** Calls a route and gives its answer as it is; throws as {@link call} does. */
  async text(name: RouteName, input: Input = {}): Promise<string> {
    const body = input.body === undefined ? undefined : JSON.stringify(input.body)
    const { method } = ROUTES[name]
    const url = urlOf(name, input.params)
    const answer = await this.#answer(name, () => exchange(this.agent, method, url, body))
    if (answer.status !== 200) throw readProblem(answer.status, answer.body, answer)
    return answer.body
  }

  async #answer(name: RouteName, attempt: () => Promise<Answer>): Promise<Answer> {
    const deadline = Date.now() + this.#patience.retryFor
    const turnedAway = new TurnedAway(this.#wire)
    for (const waiting = pauses(); ; ) {
      try {
        return await attempt()
      } catch (error) {
        if (!(error instanceof BrokenExchange)) throw error
        const failure = this.failure(error, await turnedAway.isSo(error))
        const pause = waiting.next().value
        const mayRepeat = !error.sent || REPEATABLE.has(name)
        if (isFinal(failure) || !mayRepeat || Date.now() + pause > deadline) throw failure
        await sleep(pause)
      }
    }
  }

  /**
   * What a broken exchange means.
   *
   * @param isTurnedAway - what {@link TurnedAway} says of it
   */
  failure({ cause, sent }: BrokenExchange, isTurnedAway: boolean): ConnectionError {
    if (cause instanceof ConnectionError) return cause
    const alert = (cause as NodeJS.ErrnoException | undefined)?.code ?? ''
    if (isTurnedAway || /^ERR_SSL.*(UNKNOWN_CA|CERTIFICATE)/.test(alert))
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

  /** Ends every connection. */
  async close(): Promise<void> {
    this.agent.destroy()
    await this.#wire.close()
  }
}

/** Whether trying again is of no use. */
export function isFinal({ code }: ConnectionError): boolean {
  return code !== 'unreachable' && code !== 'link-failed'
}

/** Path of a route with its parameters. */
export function urlOf(name: RouteName, params: Record<string, string> = {}): string {
  return ROUTES[name].path.replace(/:(\w+)/g, (_, key: string) => encodeURIComponent(params[key] ?? ''))
}

/** Every answer but that of metrics and events is a JSON object. */
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
