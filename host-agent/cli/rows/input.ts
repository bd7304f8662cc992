/** One value on stdin. */
import type { Surroundings } from '../command.ts'
import { UsageError } from '../command.ts'

/**
 * Reads stdin to its end.
 *
 * @param max - most bytes
 * @throws UsageError when there are more
 */
export async function readInput(stdin: Surroundings['stdin'], max: number): Promise<Buffer> {
  const chunks: Buffer[] = []
  let length = 0
  for await (const chunk of stdin as AsyncIterable<Buffer>) {
    chunks.push(chunk)
    length += chunk.length
    if (length > max) throw new UsageError(`there are more than ${max} bytes on standard input`)
  }
  return Buffer.concat(chunks)
}
