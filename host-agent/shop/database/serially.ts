/** Work on one connection: one thing after the other, tried again where the server only asks for that. */
import type { DatabaseError } from './errors.ts'

/** How often a transaction is tried that lost a deadlock. */
const TRIES = 10

/**
 * @param passing - codes of a driver's errors after which the same work may succeed
 * @param wrap - makes our error of a driver's
 */
export function serially(
  passing: readonly string[],
  wrap: (doing: string, cause: unknown) => DatabaseError,
): <T>(doing: string, work: () => Promise<T>) => Promise<T> {
  let last: Promise<unknown> = Promise.resolve()
  const attempt = async <T>(doing: string, work: () => Promise<T>): Promise<T> => {
    for (let tries = 1; ; tries++)
      try {
        return await work()
      } catch (cause) {
        if (tries === TRIES || !passing.includes(String((cause as { code?: unknown }).code)))
          throw wrap(doing, cause)
      }
  }
  return (doing, work) => {
    const next = last.then(() => attempt(doing, work))
    last = next.catch(() => {})
    return next
  }
}
