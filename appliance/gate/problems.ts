/** Errors as the caller sees them: RFC 9457 problem documents. What is not ours becomes a constant `internal`. */
import type { Duplex } from 'node:stream'
import type { FastifyError, FastifyReply } from 'fastify'
import { ClavigerError, ERRORS, type ErrorCode } from '../../protocol/api/errors.ts'
import type { State } from '../../protocol/api/routes.ts'
import type { Problem } from '../../protocol/api/schemas.ts'

/** What Fastify and the parsers throw, by their `code`; any other error below 500 is a malformed request. */
const FOREIGN_CODES: Record<string, ErrorCode> = {
  FST_ERR_CTP_BODY_TOO_LARGE: 'too-large',
  HPE_HEADER_OVERFLOW: 'too-large',
}

/** The problem document of an error. `detail` and `hint` come only from our own errors and from schema validation. */
export function problemOf(error: unknown, state: State | null): Problem {
  const { code, detail, hint, free } = describe(error)
  const { status, title } = ERRORS[code]
  return {
    type: `urn:claviger:error:${code}`,
    title,
    status: status === 0 ? 500 : status,
    code,
    ...(detail && detail !== title ? { detail } : {}),
    ...(hint ? { hint } : {}),
    ...(free ? { free } : {}),
    ...(code === 'wrong-state' && state ? { state } : {}),
  }
}

function describe(
  error: unknown,
): Pick<Problem, 'code' | 'detail'> & { hint?: string | undefined; free?: number | undefined } {
  if (error instanceof ClavigerError)
    return { code: error.code, detail: error.message, hint: error.hint, free: error.free }
  const { code = '', statusCode = 500, validation, message } = error as Partial<FastifyError>
  if (FOREIGN_CODES[code]) return { code: FOREIGN_CODES[code] }
  if (validation) return { code: 'malformed-request', detail: message ?? '' }
  if (statusCode >= 400 && statusCode < 500) return { code: 'malformed-request', detail: message ?? '' }
  return { code: 'internal' }
}

/** Sends an error; a failure of our own is also told to the journal. */
export function sendProblem(reply: FastifyReply, error: unknown, state: State | null): FastifyReply {
  const problem = problemOf(error, state)
  if (problem.code === 'internal')
    process.stderr.write(`claviger-gate: ${(error as Error)?.stack ?? String(error)}\n`)
  if (problem.free) reply.header('retry-after', Math.max(1, problem.free - Math.floor(Date.now() / 1000)))
  return reply
    .code(problem.status)
    .type('application/problem+json')
    .serializer((document: unknown) => JSON.stringify(document))
    .send(problem)
}

/** Ends a connection on which something else than HTTP came, or HTTP that never ended, with an answer if it can. */
export function refuseConnection(error: NodeJS.ErrnoException, socket: Duplex): void {
  if (error.code === 'ECONNRESET' || !socket.writable) {
    socket.destroy()
    return
  }
  const { code = '' } = error
  const problem = problemOf(new ClavigerError(FOREIGN_CODES[code] ?? 'malformed-request'), null)
  const body = JSON.stringify(problem)
  const head = [
    // of our own, since importing names of node:http loads all of its fetch
    `HTTP/1.1 ${problem.status} ${problem.title}`,
    'content-type: application/problem+json',
    `content-length: ${Buffer.byteLength(body)}`,
    'connection: close',
  ]
  socket.end(`${head.join('\r\n')}\r\n\r\n${body}`, () => socket.destroy())
}
