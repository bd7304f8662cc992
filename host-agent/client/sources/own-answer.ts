/**
 * The answer to one item of a request: the value reduced to what was asked for, as text or bytes, or a code; and what refuses a
 * whole request. The appliance's routes answer the same.
 */
import { ClavigerError, type ErrorCode } from '../../../protocol/api/errors.ts'
import type { DecryptAnswer, DecryptItem } from '../../../protocol/api/schemas.ts'
import { type LocalReveal, type RevealOptions, reveal } from '../../../protocol/envelope/reveal.ts'
import { SourceError } from './source.ts'

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

export const malformed = () => new SourceError('malformed-request')

/** Errors that are not ours are thrown on. */
export function codeOf(error: unknown): ErrorCode {
  if (error instanceof ClavigerError) return error.code
  throw error
}

/** @throws SourceError `malformed-request` for a mode without what it needs, as the appliance */
export function optionsOf({ reveal: mode, keep, candidate, recipient }: DecryptItem): RevealOptions {
  if ((mode === 'equals' && candidate === undefined) || (mode === 'forward' && recipient === undefined))
    throw malformed()
  return mode === 'mask' ? { keep } : { candidate }
}

export function resultOf(
  { ref, reveal: mode = 'full', encoding }: DecryptItem,
  options: RevealOptions,
  opened: Uint8Array | ErrorCode,
): DecryptAnswer['results'][number] {
  const named = ref === undefined ? {} : { ref }
  if (typeof opened === 'string') return { ...named, error: { code: opened } }
  try {
    const revealed = reveal(mode as LocalReveal, opened, options)
    if (typeof revealed === 'boolean') return { ...named, equals: revealed }
    try {
      return { ...named, ...textOrBytes(revealed, encoding) }
    } finally {
      revealed.fill(0)
    }
  } catch (error) {
    return { ...named, error: { code: codeOf(error) } }
  }
}

/** As text where it is text, else as bytes, and marked so. */
function textOrBytes(
  bytes: Uint8Array,
  encoding: 'base64url' | undefined,
): { value: string; encoding?: 'base64url' } {
  if (encoding === undefined) {
    try {
      return { value: utf8.decode(bytes) }
    } catch {
      // Not text.
    }
  }
  const value = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('base64url')
  return { value, encoding: 'base64url' }
}
