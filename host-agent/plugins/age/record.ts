/** What the log calls a file: age tells its plugins no names. */
import { hash } from 'node:crypto'

const DIGITS = 16

/** @param stanza - as it stands in the header. @returns the same for the same file and recipient, whoever opens it */
export function recordOf(stanza: string): string {
  return `stanza-${hash('sha256', stanza, 'hex').slice(0, DIGITS)}`
}
