/** Randomness that a seed repeats. */

/** @returns numbers from 0 to below 1, from a linear congruential generator (Knuth, MMIX) */
export function seeded(seed: number): () => number {
  let state = BigInt(seed)
  const next = () => {
    state = (state * 6364136223846793005n + 1442695040888963407n) & 0xffff_ffff_ffff_ffffn
    return Number(state >> 33n) / 2 ** 31
  }
  // Seeds that are close to each other begin alike.
  next()
  return next
}
