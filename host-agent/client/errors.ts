/** The errors of the client library: what the appliance answered, and what kept it from answering. */
import {
  ClavigerError,
  type ErrorCode,
  type ErrorOptionsWithHint,
  isErrorCode,
} from '../../protocol/api/errors.ts'
import type { State } from '../../protocol/api/routes.ts'

/** What a refusal tells besides its code. */
interface Circumstances {
  /** State of the device, where the refusal is `wrong-state`. */
  state?: State | undefined
  /** From when on the same request has a chance, seconds since 1970. */
  free?: number | undefined
}

/** The appliance refused or failed: `code` is from its problem document. */
export class ApplianceError extends ClavigerError {
  /** HTTP status. */
  readonly status: number
  /** State of the device, where the refusal is `wrong-state`. */
  readonly state: State | undefined
  constructor(
    code: ErrorCode,
    status: number,
    message: string,
    options: ErrorOptionsWithHint & { state?: State } = {},
  ) {
    super(code, message, options)
    this.status = status
    this.state = options.state
  }
}

/**
 * No usable connection: `unreachable`, `device-mismatch`, `certificate-refused`, `link-failed`, `bad-response`; or
 * nothing that may be relied on: `bad-profile`, `bad-checkpoint`, `log-rolled-back`.
 */
export class ConnectionError extends ClavigerError {}

/**
 * Reads an answer that is not a success.
 *
 * @param retryAfter - seconds to wait before the next try, from the answer's head
 * @param now - ms since 1970
 */
export function readProblem(
  status: number,
  body: string,
  { retryAfter, now = Date.now() }: { retryAfter?: number; now?: number } = {},
): ApplianceError | ConnectionError {
  let problem: Record<string, unknown> = {}
  try {
    problem = JSON.parse(body) as Record<string, unknown>
  } catch {
    // Not JSON: told below as an answer that is not the protocol's.
  }
  const { code, title, detail, hint, state, free } = problem ?? {}
  if (!isErrorCode(code))
    return new ConnectionError('bad-response', `the answer (status ${status}) is not one of an appliance`)
  const text = (value: unknown) => (typeof value === 'string' ? value : undefined)
  const inState = code === 'wrong-state' ? (text(state) as State | undefined) : undefined
  const wait = retryAfter === undefined ? undefined : Math.ceil(now / 1000) + retryAfter
  const freeFrom = Number.isSafeInteger(free) ? (free as number) : wait
  const message = inState ? `the device is ${nameOf(inState)}` : (text(detail) ?? text(title) ?? code)
  // When there is room, the device can only say in a time zone that is not the reader's.
  const step = nextStep(code, { state: inState, free: freeFrom }, now)
  const next = freeFrom === undefined ? (text(hint) ?? step) : (step ?? text(hint))
  return new ApplianceError(code, status, message, {
    ...(next ? { hint: next } : {}),
    ...(inState ? { state: inState } : {}),
    ...(freeFrom === undefined ? {} : { free: freeFrom }),
  })
}

/** `the device is …`. */
function nameOf(state: State): string {
  return state === 'lockdown' ? 'in lockdown' : state
}

const STEPS: { [code in ErrorCode]?: string } = {
  'unknown-agent': 'the enrolment was revoked: ask an administrator for a new invitation',
  'wrong-role': 'claviger status lists the enrolments here; choose another with --as',
  'not-granted': 'ask an administrator; claviger admin grant explain tells why',
  'outside-hours': 'claviger admin grant explain tells which hours the grant is for',
  'touch-missing': 'ask again and press the button of the device within half a minute',
  'key-retired': 'an administrator can let old versions open again: claviger admin key minimum, or undelete',
  'over-budget': 'the budget has room again later; an administrator can see it with claviger admin health',
  'too-many-tries': 'wait before you try again',
  'audit-unavailable':
    'an administrator looks with claviger admin health, and makes room by exporting the log',
}

const STEPS_IN_STATE: { [state in State]?: string } = {
  locked: 'unlock it with claviger unlock',
  lockdown: 'an administrator lifts it: claviger admin lockdown lift',
}

/** What a person can do about a refusal that the device explains no further. */
export function nextStep(
  code: ErrorCode,
  { state, free }: Circumstances = {},
  now: number = Date.now(),
): string | undefined {
  if (state) return STEPS_IN_STATE[state] ?? 'claviger status tells more'
  if (free === undefined) return STEPS[code]
  if (code === 'over-budget') return `there is room again ${whenLocal(free, now)}`
  return `try again ${whenLocal(free, now)}`
}

/**
 * A moment as a person at this machine says it: `at 14:05`, or `on 2026-11-23 at 14:05` on another day.
 *
 * @param seconds - since 1970
 * @param now - ms since 1970
 */
export function whenLocal(seconds: number, now: number): string {
  const [day, time] = localTime(seconds).split(' ')
  const [today] = localTime(now / 1000).split(' ')
  return day === today ? `at ${time}` : `on ${day} at ${time}`
}

/** `2026-11-23 14:05:09`, local time. */
export function localTime(seconds: number): string {
  const date = new Date(seconds * 1000)
  const two = (value: number) => String(value).padStart(2, '0')
  const day = [date.getFullYear(), two(date.getMonth() + 1), two(date.getDate())].join('-')
  return `${day} ${[date.getHours(), date.getMinutes(), date.getSeconds()].map(two).join(':')}`
}
