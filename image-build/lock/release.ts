/** A suite's `Release` file: which indices belong to it, and their hashes. Debian wiki, RepositoryFormat. */
import { ImageError } from '../errors.ts'
import { parseDeb822, required } from './deb822.ts'

/** What is used of it. */
export interface Release {
  readonly suite: string
  readonly codename: string
  /** When it was made, seconds since 1970. */
  readonly date: number
  /** Until when a mirror may show it, seconds since 1970; `null` where it does not say. */
  readonly validUntil: number | null
  /** Size and SHA-256 of each index, by its path below the suite. */
  readonly indices: ReadonlyMap<string, { readonly size: number; readonly sha256: string }>
}

/** @throws ImageError where it is not the text of a Release file */
export function parseRelease(text: string): Release {
  const [stanza, ...more] = parseDeb822(text)
  if (!stanza || more.length > 0) throw new ImageError('Release: not one stanza')
  const indices = new Map<string, { size: number; sha256: string }>()
  for (const line of required(stanza, 'sha256').split('\n').filter(Boolean)) {
    const [, sha256, size, path] = /^([0-9a-f]{64})\s+(\d{1,12})\s+(\S+)$/.exec(line.trim()) ?? []
    if (path === undefined) throw new ImageError(`Release: not a hash: ${JSON.stringify(line.slice(0, 60))}`)
    indices.set(path, { size: Number(size), sha256: sha256! })
  }
  const until = stanza.get('valid-until')
  return {
    suite: required(stanza, 'suite'),
    codename: required(stanza, 'codename'),
    date: seconds(required(stanza, 'date')),
    validUntil: until === undefined ? null : seconds(until),
    indices,
  }
}

/** `Sat, 12 Sep 2026 07:55:41 UTC`. */
const DATE = /^[A-Z][a-z]{2}, {1,2}\d{1,2} [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d (?:UTC|GMT|\+0000)$/

function seconds(text: string): number {
  const time = DATE.test(text) ? Date.parse(text) : Number.NaN
  if (Number.isNaN(time)) throw new ImageError(`Release: not a date: ${JSON.stringify(text.slice(0, 60))}`)
  return Math.floor(time / 1000)
}
