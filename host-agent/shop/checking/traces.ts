/** Looks for values in files, byte for byte: whether a database's files, logs and backups still hold what was sealed. */
import { createReadStream } from 'node:fs'
import { readdir, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { DatabaseError } from '../database/errors.ts'

/** Shortest value that is looked for, in bytes: shorter ones are everywhere by chance. */
export const SHORTEST_TRACE = 6

/** A file in which values were found. */
export interface Trace {
  readonly path: string
  /** How many of the values are in it. */
  readonly values: number
}

/**
 * @param paths - files, and folders with everything below them
 * @param values - as the shop had them; text is looked for in UTF-8 and, where it has it all, in ISO-8859-1
 * @param onProgress - bytes read so far
 * @throws DatabaseError for a file that cannot be read: what was not looked at is not clean
 */
export async function findTraces(
  paths: readonly string[],
  values: readonly string[],
  onProgress?: (bytes: number) => void,
): Promise<{ files: number; traces: Trace[] }> {
  const needles = [...new Set(values)].flatMap((value, of) =>
    encodingsOf(value).map(bytes => ({ of, bytes })),
  )
  const overlap = Math.max(0, ...needles.map(({ bytes }) => bytes.length - 1))
  const traces: Trace[] = []
  let [files, bytes] = [0, 0]
  for await (const path of filesBelow(paths)) {
    files++
    const found = new Set<number>()
    let rest: Buffer = Buffer.alloc(0)
    try {
      for await (const chunk of createReadStream(path, { highWaterMark: 1 << 20 }) as AsyncIterable<Buffer>) {
        // A value may lie across the end of a chunk.
        const whole = Buffer.concat([rest, chunk])
        for (const { of, bytes: needle } of needles)
          if (!found.has(of) && whole.includes(needle)) found.add(of)
        rest = whole.subarray(Math.max(0, whole.length - overlap))
        bytes += chunk.length
        onProgress?.(bytes)
      }
    } catch (cause) {
      throw unreadable(path, cause)
    }
    if (found.size > 0) traces.push({ path, values: found.size })
  }
  return { files, traces }
}

/** A column of `latin1`, which the database shows as UTF-8, holds other bytes. */
function encodingsOf(value: string): Buffer[] {
  const utf8 = Buffer.from(value)
  const isLatin1 = /^[\0-\xff]*$/.test(value) && /[\x80-\xff]/.test(value)
  return isLatin1 ? [utf8, Buffer.from(value, 'latin1')] : [utf8]
}

async function* filesBelow(paths: readonly string[]): AsyncGenerator<string> {
  for (const path of paths) {
    const stats = await stat(path).catch(cause => {
      throw unreadable(path, cause)
    })
    if (stats.isFile()) yield path
    if (!stats.isDirectory()) continue
    const entries = await readdir(path, { withFileTypes: true }).catch(cause => {
      throw unreadable(path, cause)
    })
    // Links lead elsewhere, and sockets and pipes would be waited for.
    const below = entries.filter(entry => entry.isFile() || entry.isDirectory())
    yield* filesBelow(below.map(({ name }) => join(path, name)))
  }
}

function unreadable(path: string, cause: unknown): DatabaseError {
  return new DatabaseError(`${path} cannot be read: ${(cause as NodeJS.ErrnoException).code}`, {
    cause,
    hint: 'look as the user of the database, best while the server is stopped',
  })
}
