/**
 * The device's events: a `text/event-stream` (WHATWG HTML §9.2) that says the state now and at each change. Lost
 * connections are made anew, for as long as somebody watches.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { ROUTES, STATES, type State } from '../../protocol/api/routes.ts'
import { type Caller, isFinal, pauses, urlOf } from './caller.ts'
import { ConnectionError, readProblem } from './errors.ts'
import { BrokenExchange } from './exchange.ts'
import { request } from './http.ts'
import { TurnedAway } from './turned-away.ts'

/** One event; without a name it is a `message`. */
export interface ServerEvent {
  name: string
  data: string
}

/** Most characters of one event; ours have forty. */
const MAX_EVENT = 65_536
const LONGEST_PAUSE_MS = 5000
/** A stream that is silent for so long is dead: the device writes a comment every few seconds. */
const SILENCE_MS = 60_000

/** Cuts text into events, however it arrives. Holds at most {@link MAX_EVENT} characters. */
export class EventReader {
  #rest = ''
  #name = ''
  #data: string[] = []
  #length = 0

  /**
   * The events that a piece of text completes.
   *
   * @throws ConnectionError `bad-response` for an event that is too long
   */
  push(text: string): ServerEvent[] {
    const lines = (this.#rest + text).split(/\r\n|\n|\r(?=[^\n])/)
    this.#rest = lines.pop()!
    const events = lines.flatMap(line => this.#line(line))
    if (this.#length + this.#rest.length > MAX_EVENT)
      throw new ConnectionError('bad-response', 'an event of the device is too long')
    return events
  }

  #line(line: string): ServerEvent[] {
    this.#length += line.length
    if (line === '') return this.#dispatch()
    const [, field, value = ''] = /^([^:]*)(?:: ?(.*))?$/s.exec(line)!
    if (field === 'event') this.#name = value
    if (field === 'data') this.#data.push(value)
    return []
  }

  #dispatch(): ServerEvent[] {
    const event = { name: this.#name || 'message', data: this.#data.join('\n') }
    const isEmpty = this.#data.length === 0
    this.#name = ''
    this.#data = []
    this.#length = 0
    return isEmpty ? [] : [event]
  }
}

/** The state that an event tells; `null` for an event of another kind or one that cannot be read. */
export function stateOf({ name, data }: ServerEvent): State | null {
  if (name !== 'state') return null
  try {
    const { state } = JSON.parse(data) as { state?: unknown }
    return STATES.find(known => known === state) ?? null
  } catch {
    return null
  }
}

/** How many requests wait for a press of the button, as an event tells; `null` as above. */
export function touchesOf({ name, data }: ServerEvent): number | null {
  if (name !== 'touch') return null
  try {
    const { count } = JSON.parse(data) as { count?: unknown }
    return Number.isSafeInteger(count) && (count as number) >= 0 ? (count as number) : null
  } catch {
    return null
  }
}

/** What a watcher is told. */
export interface Watching {
  /** The state, now and at each change. */
  onState(state: State): void
  /** How many requests of the namespace wait for a press of the button; not told before there is one. */
  onTouch?(count: number): void
}

/** See {@link Appliance.watch}. A state is told once until it changes. */
export async function watchEvents(
  caller: Caller,
  { onState, onTouch }: Watching,
  signal: AbortSignal,
): Promise<void> {
  let last: State | null = null
  const turnedAway = new TurnedAway(caller.wire)
  let waiting = pauses(LONGEST_PAUSE_MS)
  const onEvent = (event: ServerEvent) => {
    waiting = pauses(LONGEST_PAUSE_MS)
    turnedAway.reset()
    const state = stateOf(event)
    if (state !== null && state !== last) onState(state)
    last = state ?? last
    const touches = touchesOf(event)
    if (touches !== null) onTouch?.(touches)
  }
  while (!signal.aborted) {
    try {
      await readStream(caller, onEvent, signal)
    } catch (error) {
      if (signal.aborted) return
      if (!(error instanceof BrokenExchange)) throw error
      const failure = caller.failure(error, await turnedAway.isSo(error))
      if (isFinal(failure)) throw failure
    }
    await sleep(waiting.next().value, undefined, { signal }).catch(() => {})
  }
}

/** Reads one stream to its end. Rejects with BrokenExchange when it broke. */
function readStream(
  { agent }: Caller,
  onEvent: (event: ServerEvent) => void,
  signal: AbortSignal,
): Promise<void> {
  return new Promise((resolve, reject) => {
    const sending = request({
      agent,
      method: ROUTES.events.method,
      path: urlOf('events'),
      headers: { host: 'claviger', accept: 'text/event-stream' },
      signal,
    })
    sending.setTimeout(SILENCE_MS, () => sending.destroy(new Error('the stream went silent')))
    sending.on('error', cause => reject(new BrokenExchange(cause, sending)))
    sending.once('response', response => {
      const reader = new EventReader()
      let refusal = ''
      response.setEncoding('utf8')
      response.on('data', (text: string) => {
        try {
          if (response.statusCode === 200) for (const event of reader.push(text)) onEvent(event)
          else refusal = (refusal + text).slice(0, MAX_EVENT)
        } catch (error) {
          reject(error as Error)
          sending.destroy()
        }
      })
      response.once('error', cause => reject(new BrokenExchange(cause, sending)))
      response.once('end', () => {
        const status = response.statusCode ?? 0
        if (status === 200) resolve()
        else reject(readProblem(status, refusal))
      })
    })
    sending.end()
  })
}
