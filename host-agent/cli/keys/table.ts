/** Keys as a table: each version, whether it opens, how often and when it did. */
import type { KeyInfo } from '../../../protocol/api/schemas.ts'
import type { Terminal } from '../terminal.ts'
import { utcDay } from '../time.ts'
import { legacyKind } from './import.ts'

type Version = KeyInfo['versions'][number]

const HEADINGS = ['key', 'for', 'version', 'made', 'opens', 'opened', 'last', 'public key']

export function showKeys(terminal: Terminal, keys: readonly KeyInfo[]): void {
  const rows = keys.flatMap(key => key.versions.map(version => rowOf(key, version)))
  terminal.table(HEADINGS, rows)
  const since = Math.max(...keys.map(({ counted = 0 }) => counted))
  if (since > 0 && keys.some(({ versions }) => versions.length > 1))
    terminal.say(`openings are counted since ${utcDay(since)}, the oldest entry of the log`)
}

function rowOf(key: KeyInfo, { version, created, opened, publicKey, ...rest }: Version): string[] {
  return [
    key.name,
    key.legacy ? 'old values' : key.use,
    String(version),
    utcDay(created),
    opening(key, rest),
    opened ? String(opened.count) : '',
    opened ? lastOf(opened) : '',
    key.legacy ? legacyKind(key) : publicKey,
  ]
}

function lastOf({ last }: NonNullable<Version['opened']>): string {
  return last === undefined ? 'never' : utcDay(last)
}

function opening({ minimum }: KeyInfo, { opens, retired }: Pick<Version, 'opens' | 'retired'>): string {
  if (retired) return `no, deleted ${utcDay(retired.deleted)}`
  return opens ? 'yes' : `no, below ${minimum}`
}
