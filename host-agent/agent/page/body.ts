/** Reads the JSON that a call sends: bounded, in UTF-8 and in whole. How long it may take is the server's `requestTimeout`. */
import type { IncomingMessage } from 'node:http'
import { PageRefusal } from './problem.ts'

/**
 * @param most - bytes
 * @throws PageRefusal `too-large`, `malformed-request`; after the first the rest is not read
 */
export async function readJson(request: IncomingMessage, most: number): Promise<unknown> {
  const announced = Number(request.headers['content-length'] ?? 0)
  if (announced > most) throw new PageRefusal('too-large')
  const chunks: Buffer[] = []
  let length = 0
  try {
    for await (const chunk of request as AsyncIterable<Buffer>) {
      length += chunk.length
      if (length > most) throw new PageRefusal('too-large')
      chunks.push(chunk)
    }
    const bytes = Buffer.concat(chunks)
    try {
      return parse(bytes)
    } finally {
      // a PIN may be in it
      bytes.fill(0)
    }
  } catch (error) {
    if (error instanceof PageRefusal) throw error
    // it ended in the middle, and nobody is there to hear it
    throw new PageRefusal('malformed-request')
  } finally {
    for (const chunk of chunks) chunk.fill(0)
  }
}

function parse(bytes: Buffer): unknown {
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes))
  } catch {
    throw new PageRefusal('malformed-request')
  }
}
