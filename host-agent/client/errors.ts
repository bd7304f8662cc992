/** The errors of the client library: what the appliance answered, and what kept it from answering. */
import {
  ClavigerError,
  type ErrorCode,
  type ErrorOptionsWithHint,
  isErrorCode,
} from '../../protocol/api/errors.ts'
import type { State } from '../../protocol/api/routes.ts'

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
 * No usable connection: `unreachable`, `device-mismatch`, `certificate-refused`, `link-failed`, `bad-response`.
 */
export class ConnectionError extends ClavigerError {}

/** Reads an answer that is not a success. */
export function readProblem(status: number, body: string): ApplianceError | ConnectionError {
  let problem: Record<string, unknown> = {}
  try {
    problem = JSON.parse(body) as Record<string, unknown>
  } catch {
    // Not JSON: told below as an answer that is not the protocol's.
  }
  const { code, title, detail, hint, state } = problem ?? {}
  if (!isErrorCode(code))
    return new ConnectionError('bad-response', `the answer (status ${status}) is not one of an appliance`)
  const text = (value: unknown) => (typeof value === 'string' ? value : undefined)
  const inState = code === 'wrong-state' ? text(state) : undefined
  const message = inState ? `the device is ${inState}` : (text(detail) ?? text(title) ?? code)
  const next = text(hint) ?? nextStep(code, inState)
  return new ApplianceError(code, status, message, {
    ...(next ? { hint: next } : {}),
    ...(inState ? { state: inState as State } : {}),
  })
}

/** What a person can do about a refusal that the device explains no further. */
function nextStep(code: ErrorCode, state: string | undefined): string | undefined {
  if (state) return state === 'locked' ? 'unlock it with claviger unlock' : 'claviger status tells more'
  const steps: { [code in ErrorCode]?: string } = {
    'unknown-agent': 'the enrolment was revoked: ask an administrator for a new invitation',
    'wrong-role': 'claviger status lists the enrolments here; choose another with --as',
    'not-granted': 'keys are granted with the invitation: ask an administrator',
  }
  return steps[code]
}
