/** How hard images and packages are compressed, as zstd counts. */
import { ImageError } from './errors.ts'

/** Of a release. */
export const RELEASE_LEVEL = 19

/**
 * @param text - of `--level`
 * @throws ImageError where it is not a whole number from 1 to 22
 */
export function parseLevel(text: string): number {
  const level = Number(text)
  if (!/^\d{1,2}$/.test(text) || level < 1 || level > 22)
    throw new ImageError(`--level ${text} is not a number from 1 to 22`)
  return level
}
