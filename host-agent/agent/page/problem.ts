/** Refusals of the page's calls: one shape, whether the page, the device, the database or the way there refuses. docs/formats/page.md. */
import { ClavigerError, ERRORS } from '../../../protocol/api/errors.ts'
import type { PageProblem } from './api.ts'

/** The page itself refuses. */
const REFUSALS = {
  'malformed-request': [400, 'the request is not what the call accepts'],
  unpaired: [401, 'this browser is not paired with the agent'],
  'code-refused': [403, 'the code was used, has expired, or never was'],
  'frame-refused': [403, 'the frame is not one that may ask'],
  'not-for-frames': [403, 'a frame may not do this'],
  'cross-site': [403, 'only pages of the agent itself may ask'],
  'unknown-route': [404, 'there is no such call'],
  'unknown-browser': [404, 'there is no such browser'],
  'wrong-method': [405, 'the call takes another method'],
  'too-large': [413, 'the request is larger than the limit'],
  'wrong-type': [415, 'the request is not JSON'],
  'too-many-requests': [429, 'too many requests wait already'],
} as const

/** Code of a refusal by the page itself. */
export type RefusalCode = keyof typeof REFUSALS

/** Thrown by calls. */
export class PageRefusal extends Error {
  readonly code: RefusalCode
  readonly hint: string | undefined

  constructor(
    code: RefusalCode,
    { message = REFUSALS[code][1] as string, hint }: { message?: string; hint?: string } = {},
  ) {
    super(message)
    this.code = code
    this.hint = hint
  }
}

/** What is answered instead of what was asked for. An error that is none of ours says nothing but that. */
export function problemOf(error: unknown): { status: number; problem: PageProblem } {
  if (error instanceof PageRefusal) {
    const { code, message, hint } = error
    return { status: REFUSALS[code][0], problem: { code, message, ...(hint ? { hint } : {}) } }
  }
  if (!(error instanceof ClavigerError))
    return {
      status: 500,
      problem: { code: 'internal', message: 'the agent failed', hint: 'its own lines say more' },
    }
  const { code, message, hint, free } = error
  return {
    status: ERRORS[code].status || 503,
    problem: {
      code,
      message,
      ...(hint ? { hint } : {}),
      ...(free === undefined ? {} : { free: isoTime(free) }),
    },
  }
}

/** @param seconds - since 1970 */
export function isoTime(seconds: number): string {
  return new Date(seconds * 1000).toISOString()
}
