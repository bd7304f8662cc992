/** The person agrees to what will be erased, by typing its name: on the terminal, or in a script that means this one. */
import { createInterface } from 'node:readline/promises'
import { ImageError } from '../errors.ts'
import type { Target } from './target.ts'

/** Where the question goes and the answer comes from. */
export interface Asking {
  readonly input: NodeJS.ReadStream
  readonly output: NodeJS.WriteStream
}

/**
 * @param yes the name that was given beforehand
 * @throws ImageError where another name was typed, or there is nobody to ask
 */
export async function agree(
  { name, isFresh, listing }: Target,
  yes: string | undefined,
  { input, output }: Asking,
): Promise<void> {
  if (yes !== undefined && yes !== name)
    throw new ImageError(`--yes says ${yes}, but the card is ${name}`, { hint: 'nothing was written' })
  if (isFresh) return
  output.write(`${listing.join('\n')}\nall that is on it will be erased\n`)
  if (yes !== undefined) return
  if (!input.isTTY || !output.isTTY)
    throw new ImageError('there is no terminal to ask on', { hint: `a script says --yes ${name}` })
  const reader = createInterface({ input, output })
  // Ending the input, or an interrupt, is no agreement either.
  const closed = new Promise<string>(resolve => reader.once('close', () => resolve('')))
  const answer = await Promise.race([reader.question(`type ${name} to go on: `), closed])
  reader.close()
  if (answer.trim() !== name) throw new ImageError(`that is not ${name}: nothing was written`)
}
