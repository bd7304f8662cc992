/**
 * An entry of the audit log and its one line of JSON (docs/formats/audit.md, "Entry").
 *
 * An entry never holds a plaintext or a token. The line has its fields in one order, no white space, and a CRC-32 of itself
 * at the end, so that a bit that rots is found in the very entry, also before any hash of that entry lies elsewhere.
 */

import { crc32 } from 'node:zlib'
import { AuditError } from './errors.ts'

/** One field that was asked for, over any number of records. */
export interface EntryItem {
  /** name and version, `orders@3` */
  key: string
  field: string
  reveal: string
  /** what was opened where it was no token: `jwe`, `jwe-unbound`, `sealed-box`, `age`, `derive` */
  form?: string
  records: string[]
  /** name of the grant that allowed it */
  grant?: string
  /** why it was refused */
  code?: string
}

/** What happened: a decision, a try to unlock, an administrator's change. */
export interface Entry {
  /** place in the log, from 0 */
  index: number
  /** ms since 1970 by the device's wall clock */
  time: number
  /** the kernel's boot id */
  boot: string
  /** ms since that boot, monotonic */
  up: number
  /** name of the caller; empty for a stranger or the device itself */
  agent: string
  role: string
  action: string
  outcome: 'allowed' | 'refused' | 'failed'
  /** error code of what was refused or failed */
  code?: string
  purpose?: string
  reason?: string
  items?: EntryItem[]
  count?: number
  /** names `[a-z][A-Za-z0-9]{0,31}` */
  detail?: Record<string, string | number | boolean>
}

/** What the caller says of an entry; the log adds the rest. */
export type EntryBody = Omit<Entry, 'index' | 'time' | 'boot' | 'up'>

/** Longest line in bytes, without its newline: 1,000 items of long names and records fit. */
export const MAX_LINE_BYTES = 2_097_152

/** `,"crc":"` 8 hexadecimal digits `"}` */
const CRC_SUFFIX_BYTES = 18

const DETAIL_NAME = /^[a-z][A-Za-z0-9]{0,31}$/

/**
 * The line of an entry, without its newline.
 * @throws AuditError `malformed-request` for an entry that could not be read again, `too-large`
 */
export function formatEntry(entry: Entry): string {
  if (!isEntry(entry)) throw new AuditError('malformed-request', 'this is not an audit entry')
  const line = lineOf(entry)
  // Of three bytes at most for each UTF-16 unit.
  if (line.length * 3 > MAX_LINE_BYTES && Buffer.byteLength(line) > MAX_LINE_BYTES)
    throw new AuditError('too-large', 'the audit entry is too long')
  return line
}

/** The entry of a line, or `null` unless the line is exactly what {@link formatEntry} gives for it. */
export function readEntry(line: string): Entry | null {
  if (line.length > MAX_LINE_BYTES) return null
  const entry = parse(`${line.slice(0, -CRC_SUFFIX_BYTES)}}`)
  return entry !== null && lineOf(entry) === line ? entry : null
}

/**
 * The entry of a line `buffer[start, end)` whose bytes are checked by their hash, so that its form needs no second look. The
 * line is overwritten: parsing goes without the CRC, because V8 would intern a million of them, in memory that it keeps.
 * @returns `null` for what has not the shape of an entry
 */
export function readHashedEntry(buffer: Buffer, start: number, end: number): Entry | null {
  const brace = end - CRC_SUFFIX_BYTES
  if (brace <= start) return null
  buffer[brace] = 0x7d
  return parse(buffer.toString('utf8', start, brace + 1))
}

function parse(text: string): Entry | null {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    return null
  }
  return isEntry(value) ? value : null
}

/** True if the CRC at the end of a line is that of the bytes before it. */
export function hasRightCrc(line: Buffer): boolean {
  const body = line.length - CRC_SUFFIX_BYTES
  return body > 0 && line.toString('latin1', body) === crcSuffix(line.subarray(0, body))
}

function lineOf(entry: Entry): string {
  const { index, time, boot, up, agent, role, action, outcome, code, purpose, reason, items, count, detail } =
    entry
  const text = JSON.stringify({
    index,
    time,
    boot,
    up,
    agent,
    role,
    action,
    outcome,
    code,
    purpose,
    reason,
    items: items?.map(itemInOrder),
    count,
    detail: detail && inOrder(detail),
  })
  const body = text.slice(0, -1)
  return body + crcSuffix(body)
}

function crcSuffix(body: string | Buffer): string {
  return `,"crc":"${crc32(body).toString(16).padStart(8, '0')}"}`
}

function itemInOrder({ key, field, reveal, form, records, grant, code }: EntryItem): EntryItem {
  return { key, field, reveal, form, records, grant, code } as EntryItem
}

function inOrder(detail: NonNullable<Entry['detail']>): NonNullable<Entry['detail']> {
  return Object.fromEntries(Object.entries(detail).sort(([a], [b]) => (a < b ? -1 : 1)))
}

/** Written out: a start looks at a million entries without a compiler. */
function isEntry(value: unknown): value is Entry {
  if (typeof value !== 'object' || value === null) return false
  const { index, time, boot, up, agent, role, action, outcome, code, purpose, reason, items, count, detail } =
    value as Record<keyof Entry, unknown>
  return (
    isCount(index) &&
    isCount(time) &&
    isCount(up) &&
    typeof boot === 'string' &&
    typeof agent === 'string' &&
    typeof role === 'string' &&
    typeof action === 'string' &&
    (outcome === 'allowed' || outcome === 'refused' || outcome === 'failed') &&
    (code === undefined || typeof code === 'string') &&
    (purpose === undefined || typeof purpose === 'string') &&
    (reason === undefined || typeof reason === 'string') &&
    (items === undefined || (Array.isArray(items) && items.every(isItem))) &&
    (count === undefined || isCount(count)) &&
    (detail === undefined || isDetail(detail))
  )
}

function isItem(value: unknown): value is EntryItem {
  if (typeof value !== 'object' || value === null) return false
  const { key, field, reveal, form, records, grant, code } = value as Record<keyof EntryItem, unknown>
  return (
    typeof key === 'string' &&
    typeof field === 'string' &&
    typeof reveal === 'string' &&
    (form === undefined || typeof form === 'string') &&
    Array.isArray(records) &&
    records.every(isString) &&
    (grant === undefined || typeof grant === 'string') &&
    (code === undefined || typeof code === 'string')
  )
}

function isDetail(value: unknown): boolean {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return false
  return Object.entries(value).every(
    ([name, item]) =>
      DETAIL_NAME.test(name) &&
      (typeof item === 'string' ||
        typeof item === 'boolean' ||
        (Number.isFinite(item) && typeof item === 'number')),
  )
}

const isCount = (value: unknown) => Number.isSafeInteger(value) && (value as number) >= 0
const isString = (value: unknown) => typeof value === 'string'
