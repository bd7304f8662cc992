/**
 * Framing of messages between our processes: u32be length, then one CBOR item, on a UNIX stream socket.
 *
 * A peer that announces a length over the maximum, or sends bytes that are not strict CBOR, is disconnected: the two
 * ends are the same release, so that is a bug or an attack, not a message to skip.
 */
import type { Socket } from 'node:net'
import { ClavigerError } from '../../protocol/api/errors.ts'
import { type Cbor, decodeCbor, encodeCbor } from '../../protocol/cbor.ts'

/** Largest message, in bytes: a full decrypt request of 1 MiB JSON fits as CBOR. */
export const MAX_MESSAGE = 2 * 1_048_576

/**
 * Of the sockets between our processes. Who may connect is decided by their directory: on the Pi it belongs to the gate's
 * group, on a developer's machine nobody else may enter it.
 */
export const SOCKET_MODE = 0o660

/** A message that breaks the protocol: `rpc-malformed`, or `too-large` before it is sent. */
export class RpcError extends ClavigerError {}

/** Cuts a byte stream into decoded messages. Holds at most one incomplete message. */
export class FrameReader {
  #chunks: Buffer[] = []
  #buffered = 0
  readonly #max: number

  constructor(max: number = MAX_MESSAGE) {
    this.#max = max
  }

  /**
   * Takes a chunk, returns the messages that it completed.
   *
   * @throws RpcError `rpc-malformed`; the stream cannot be read any further then
   */
  push(chunk: Buffer): unknown[] {
    this.#chunks.push(chunk)
    this.#buffered += chunk.length
    const messages: unknown[] = []
    while (this.#buffered >= 4) {
      if (this.#chunks[0]!.length < 4) this.#chunks = [Buffer.concat(this.#chunks)]
      const length = this.#chunks[0]!.readUInt32BE(0)
      if (length > this.#max)
        throw new RpcError('rpc-malformed', `a message of ${length} bytes is over the limit`)
      if (this.#buffered < 4 + length) break
      const bytes = this.#chunks.length === 1 ? this.#chunks[0]! : Buffer.concat(this.#chunks)
      const rest = bytes.subarray(4 + length)
      this.#chunks = rest.length > 0 ? [rest] : []
      this.#buffered = rest.length
      messages.push(decodeMessage(bytes.subarray(4, 4 + length)))
    }
    return messages
  }
}

function decodeMessage(bytes: Uint8Array): unknown {
  try {
    return decodeCbor(bytes)
  } catch (cause) {
    throw new RpcError('rpc-malformed', 'a message is not strict CBOR', { cause })
  }
}

/**
 * Frames one message.
 *
 * @throws RpcError `too-large`, because a reader would end the connection, and with it all that waits for an answer
 */
export function frame(message: Cbor): Buffer {
  const body = encodeCbor(message)
  if (body.length > MAX_MESSAGE)
    throw new RpcError('too-large', `a message of ${body.length} bytes is over the limit`)
  const framed = Buffer.allocUnsafeSlow(4 + body.length)
  framed.writeUInt32BE(body.length, 0)
  framed.set(body, 4)
  // What was encoded may be secret; whoever sends the frame zeroes that too.
  body.fill(0)
  return framed
}

/** Reads messages from a socket until it ends; a broken stream destroys it with the {@link RpcError}. */
export function readMessages(socket: Socket, onMessage: (message: unknown) => void): void {
  const reader = new FrameReader()
  socket.on('data', chunk => {
    try {
      for (const message of reader.push(chunk)) onMessage(message)
    } catch (error) {
      socket.destroy(error as Error)
    }
  })
}
