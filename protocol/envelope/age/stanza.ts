/**
 * Recipient stanzas of an age header as text (c2sp.org/age, "Recipient stanza"): a line of arguments, then a body in base64 whose
 * last line is shorter than 64 characters. Strict: what parses is what formatting gives again.
 */

import { TokenError } from '../errors.ts'

/** A stanza, its arguments without the arrow; the first says its type. */
export interface Stanza {
  readonly args: readonly [type: string, ...rest: string[]]
  readonly body: Uint8Array
}

const COLUMNS = 64
/** Enough for the longest type that is opened: a post-quantum share of 1,120 bytes. */
const MAX_STANZA_LENGTH = 4096
const ARGUMENTS = /^-> [!-~]+(?: [!-~]+)*$/

/** @throws TokenError `bad-token` */
export function parseStanza(text: string): Stanza {
  if (text.length > MAX_STANZA_LENGTH) throw new TokenError('the stanza is too long')
  const [head, ...lines] = text.split('\n')
  // What comes after the last line feed is nothing.
  if (lines.pop() !== '' || lines.length === 0 || !ARGUMENTS.test(head!)) throw malformed()
  const shortest = lines.findIndex(({ length }) => length < COLUMNS)
  if (shortest !== lines.length - 1 || lines.some(({ length }) => length > COLUMNS)) throw malformed()
  const body = decodeBase64(lines.join(''))
  if (!body) throw malformed()
  return { args: head!.slice(3).split(' ') as [string, ...string[]], body }
}

export function formatStanza({ args, body }: Stanza): string {
  const base64 = encodeBase64(body)
  const lines: string[] = []
  for (let at = 0; at <= base64.length; at += COLUMNS) lines.push(base64.slice(at, at + COLUMNS))
  return `-> ${args.join(' ')}\n${lines.map(line => `${line}\n`).join('')}`
}

/** RFC 4648 §4 without padding. */
export function encodeBase64(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('base64').replace(/=+$/, '')
}

/** @returns `null` for text that {@link encodeBase64} does not give */
export function decodeBase64(text: string): Uint8Array | null {
  const bytes = Buffer.from(text, 'base64')
  return encodeBase64(bytes) === text ? Uint8Array.from(bytes) : null
}

function malformed(): TokenError {
  return new TokenError('this is not a stanza of an age header')
}
