/** One HTTP request and its answer over an agent's connections, with what a failed try tells about the next one. */
import type { Agent, ClientRequest } from 'node:http'
import { ConnectionError } from './errors.ts'
import { request } from './http.ts'

/** Largest answer that is read, in bytes: 1,000 fields of 64 KiB fit. */
const MAX_ANSWER = 96 * 1_048_576

export interface Answer {
  status: number
  body: string
  /** Seconds to wait before the next try, where the device says so. */
  retryAfter?: number
}

/** A try that got no answer. */
export class BrokenExchange extends Error {
  /** Whether the request may have reached the device. */
  readonly sent: boolean
  /** Whether its connection was new, not one that had been idle. */
  readonly fresh: boolean

  constructor(cause: unknown, request: ClientRequest) {
    super('the exchange broke', { cause })
    this.sent = request.socket != null
    this.fresh = !request.reusedSocket
  }
}

/**
 * Sends one request.
 *
 * @param body - JSON text, or `undefined` for none
 * @throws BrokenExchange when there is no complete answer
 */
export function exchange(
  agent: Agent,
  method: string,
  path: string,
  body: string | undefined,
): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const headers: Record<string, string | number> = { host: 'claviger' }
    if (body !== undefined) {
      headers['content-type'] = 'application/json'
      headers['content-length'] = Buffer.byteLength(body)
    }
    const sending = request({ agent, method, path, headers })
    const fail = (cause: unknown) => reject(new BrokenExchange(cause, sending))
    sending.once('error', fail)
    sending.once('response', response => {
      const chunks: Buffer[] = []
      let length = 0
      response.on('data', (chunk: Buffer) => {
        length += chunk.length
        if (length > MAX_ANSWER)
          response.destroy(new ConnectionError('bad-response', 'the answer is too large'))
        else chunks.push(chunk)
      })
      response.once('error', fail)
      response.once('aborted', () => fail(new Error('the connection was closed within the answer')))
      response.once('end', () => {
        const text = (chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks)).toString('utf8')
        const wait = response.headers['retry-after'] ?? ''
        resolve({
          status: response.statusCode ?? 0,
          body: text,
          ...(/^\d{1,9}$/.test(wait) ? { retryAfter: Number(wait) } : {}),
        })
      })
    })
    sending.end(body)
  })
}
