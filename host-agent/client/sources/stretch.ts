/**
 * Stretching a passphrase into 32 bytes with Argon2id (RFC 9106), for a key file and for a typed key. Text is put into Unicode
 * normalisation form C first, so that the same passphrase typed on another keyboard is the same bytes.
 */
import { argon2 } from 'node:crypto'
import { promisify } from 'node:util'
import { SourceError } from './source.ts'

/** Cost of a stretching: `m` in KiB, `t` passes, `p` lanes. */
export interface Cost {
  m: number
  t: number
  p: number
}

export const OUTPUT_BYTES = 32
export const SALT_BYTES = 16
const MAX_CHARACTERS = 1024

const argon2Async = promisify(argon2)

/** What a passphrase must be at least. */
export interface Demand {
  /** Code points. */
  characters: number
  /** Different ones among them. */
  different: number
  /** The next step for whoever typed less. */
  hint: string
}

/** @throws SourceError `malformed-request` for a passphrase that is too short, too long, or the same few letters again and again */
export function demandPassphrase(passphrase: string, { characters, different, hint }: Demand): void {
  const points = [...passphrase.normalize('NFC')]
  if (points.length < characters || points.length > MAX_CHARACTERS)
    throw new SourceError(
      'malformed-request',
      `the passphrase must have ${characters} to ${MAX_CHARACTERS} characters`,
      { hint },
    )
  if (new Set(points).size < different)
    throw new SourceError(
      'malformed-request',
      `the passphrase must have at least ${different} different characters`,
      { hint },
    )
}

/**
 * @param salt - 16 bytes
 * @returns 32 bytes, to be zeroed by the caller
 * @throws SourceError `malformed-request` for what is no Unicode text, `bad-source` where there is not the memory
 */
export async function stretchPassphrase(
  passphrase: string,
  { m, t, p }: Cost,
  salt: Uint8Array,
): Promise<Uint8Array> {
  if (!passphrase.isWellFormed())
    throw new SourceError('malformed-request', 'the passphrase is not Unicode text')
  const message = new TextEncoder().encode(passphrase.normalize('NFC'))
  try {
    return await argon2Async('argon2id', {
      message,
      nonce: salt,
      memory: m,
      passes: t,
      parallelism: p,
      tagLength: OUTPUT_BYTES,
    })
  } catch (cause) {
    throw new SourceError(
      'bad-source',
      `the passphrase could not be stretched: is there ${m >> 10} MiB of memory?`,
      {
        cause,
      },
    )
  } finally {
    message.fill(0)
  }
}
