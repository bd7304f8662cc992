/**
 * An appliance for a program that starts, asks once and ends: one connection, one request at a time, and no HTTP client of Node's, which
 * takes longer to load than everything else together (docs/performance.md, "What starting the plugin is made of"). It understands the
 * answers of our gate and no others. It does not try again and does not look elsewhere: {@link ./connect.ts} does.
 */
import type { TLSSocket } from 'node:tls'
import { ROUTES, type RouteName } from '../../protocol/api/routes.ts'
import type {
  CheckpointAnswer,
  ConsistencyAnswer,
  ConsistencyBody,
  DecryptAnswer,
  DecryptBody,
  Status,
} from '../../protocol/api/schemas.ts'
import { fromBase64url } from '../../protocol/bytes.ts'
import { ConnectionError, readProblem } from './errors.ts'
import { openTls, pinned } from './handshake.ts'
import type { Profile } from './profile.ts'
import type { Wire } from './wire.ts'
import { type Witness, type Witnessed, witnessLog } from './witness.ts'

/** What an answer of a few items takes at most, bytes. */
const MAX_HEAD = 16_384
const MAX_BODY = 1_048_576
/** An answer may wait for somebody to press the button, ms. */
const ANSWER_MS = 60_000

/** The routes that it can ask. */
export interface ThinAppliance extends Witnessed {
  decrypt(body: DecryptBody): Promise<DecryptAnswer>
  /** Ends the connection. */
  close(): void
}

/**
 * Connects as an enrolment does, and looks at the log as every program does.
 *
 * @throws ConnectionError, ApplianceError as `connectProfile` does
 */
export async function connectThin(profile: Profile, wire: Wire, witness: Witness): Promise<ThinAppliance> {
  const pin = fromBase64url(profile.device)
  if (pin?.length !== 32)
    throw new ConnectionError('bad-profile', `the enrolment ${profile.name} has no device yet`, {
      hint: 'provision the device first',
    })
  const socket = await openTls(wire, profile, pinned(pin))
  socket.on('error', () => {})
  const call = async <T>(name: RouteName, body?: object) => {
    const { method, path } = ROUTES[name]
    return (await ask(socket, wire.address, method, path, body)) as T
  }
  const appliance: ThinAppliance = {
    status: () => call<Status>('status'),
    auditCheckpoint: () => call<CheckpointAnswer>('auditCheckpoint'),
    auditConsistency: (body: ConsistencyBody) => call<ConsistencyAnswer>('auditConsistency', body),
    decrypt: body => call<DecryptAnswer>('decrypt', body),
    close: () => socket.destroy(),
  }
  try {
    if (profile.logKey !== undefined) await witnessLog(appliance, profile.logKey, witness)
    return appliance
  } catch (error) {
    socket.destroy()
    throw error
  }
}

/** @returns the JSON object of the answer. @throws ApplianceError, ConnectionError `unreachable`, `bad-response` */
async function ask(
  socket: TLSSocket,
  address: string,
  method: string,
  path: string,
  body: object | undefined,
): Promise<object> {
  const text = body === undefined ? '' : JSON.stringify(body)
  const lines = [`${method} ${path} HTTP/1.1`, 'host: claviger']
  if (text) lines.push('content-type: application/json', `content-length: ${Buffer.byteLength(text)}`)
  socket.write(`${lines.join('\r\n')}\r\n\r\n${text}`)
  const { status, headers, answer } = await readAnswer(socket, address)
  if (status !== 200) {
    const wait = headers.get('retry-after') ?? ''
    throw readProblem(status, answer, /^\d{1,9}$/.test(wait) ? { retryAfter: Number(wait) } : {})
  }
  try {
    const value: unknown = JSON.parse(answer)
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value
  } catch {
    // told below
  }
  throw new ConnectionError('bad-response', 'the answer is not a JSON object')
}

interface Answer {
  readonly status: number
  /** By their names in lower case. */
  readonly headers: ReadonlyMap<string, string>
  readonly answer: string
}

/** RFC 9112 with nothing optional: a status line, headers, and a body whose length one of them says. */
export class AnswerReader {
  #bytes = Buffer.alloc(0)
  #head: { status: number; headers: Map<string, string>; end: number } | null = null

  /** @returns the answer once it is whole. @throws ConnectionError `bad-response` */
  push(bytes: Uint8Array): Answer | null {
    this.#bytes = Buffer.concat([this.#bytes, bytes])
    if (this.#head === null) {
      const end = this.#bytes.indexOf('\r\n\r\n')
      if (end > MAX_HEAD || (end < 0 && this.#bytes.length > MAX_HEAD)) throw notOurs()
      if (end < 0) return null
      this.#head = { ...readHead(this.#bytes.toString('latin1', 0, end)), end: end + 4 }
    }
    const { status, headers, end } = this.#head
    const length = headers.get('content-length') ?? ''
    if (!/^\d{1,7}$/.test(length) || Number(length) > MAX_BODY || headers.has('transfer-encoding'))
      throw notOurs()
    const whole = end + Number(length)
    if (this.#bytes.length > whole) throw notOurs()
    if (this.#bytes.length < whole) return null
    return { status, headers, answer: this.#bytes.toString('utf8', end) }
  }
}

function readHead(text: string): { status: number; headers: Map<string, string> } {
  const [first = '', ...lines] = text.split('\r\n')
  const [, status] = /^HTTP\/1\.1 ([2-5]\d\d)(?: |$)/.exec(first) ?? []
  const headers = new Map<string, string>()
  for (const line of lines) {
    const [, name, value] = /^([!#$%&'*+.^_`|~\w-]+):[ \t]*(.*?)[ \t]*$/.exec(line) ?? []
    if (name === undefined || headers.has(name.toLowerCase())) throw notOurs()
    headers.set(name.toLowerCase(), value!)
  }
  if (status === undefined) throw notOurs()
  return { status: Number(status), headers }
}

function notOurs(): ConnectionError {
  return new ConnectionError('bad-response', 'the answer is not one of an appliance')
}

function readAnswer(socket: TLSSocket, address: string): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const reader = new AnswerReader()
    const end = (settle: () => void) => {
      clearTimeout(timer)
      socket.off('data', take).off('close', lost)
      socket.pause()
      settle()
    }
    const lost = () =>
      end(() => reject(new ConnectionError('unreachable', `the connection to ${address} was lost`)))
    const take = (bytes: Buffer) => {
      try {
        const answer = reader.push(bytes)
        if (answer) end(() => resolve(answer))
      } catch (error) {
        end(() => reject(error as Error))
        socket.destroy()
      }
    }
    const timer = setTimeout(() => socket.destroy(), ANSWER_MS)
    socket.on('data', take).once('close', lost)
    // A stream that was paused stays so until it is told.
    socket.resume()
    if (socket.destroyed) lost()
  })
}
