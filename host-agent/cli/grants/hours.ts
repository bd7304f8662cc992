/** `--hours 'mon-fri 08:00-18:00 Europe/Berlin'`: when a grant may be used (docs/who-may-see-what.md). */
import type { GrantBody } from '../../../protocol/api/schemas.ts'
import { UsageError } from '../command.ts'

/** Hours as the device takes them. */
export type Hours = NonNullable<GrantBody['hours']>

const DAYS: readonly string[] = ['mon', 'tue', 'wed', 'thu', 'fri', 'sat', 'sun']
const HINT = "write days, times and a time zone, as in 'mon-fri 08:00-18:00 Europe/Berlin'"
const DAYS_HINT = 'days are mon, tue, wed, thu, fri, sat, sun, as in mon-fri, sat,sun or mon-wed,fri'
const MAX_LENGTH = 200

/**
 * Reads days, times and a zone, parted by blanks. A time that ends before it begins goes on into the next morning.
 *
 * @throws UsageError
 */
export function parseHours(text: string): Hours {
  const parts = text.length > MAX_LENGTH ? [] : text.trim().split(/\s+/)
  const [days = '', times = '', zone = ''] = parts
  if (parts.length !== 3) throw new UsageError('the hours are days, times and a time zone', HINT)
  const [, from, to] = /^([^-]+)-([^-]+)$/.exec(times) ?? []
  if (!isClock(from) || !(isClock(to) || to === '24:00'))
    throw new UsageError(`${times} is not a time of day`, 'write it as in 08:00-18:00; a day ends at 24:00')
  if (from === to)
    throw new UsageError('the hours begin and end at the same minute', 'a whole day is 00:00-24:00')
  if (!isZone(zone))
    throw new UsageError(
      `there is no time zone ${zone}`,
      `use an IANA name such as Europe/Berlin; here it is ${Intl.DateTimeFormat().resolvedOptions().timeZone}`,
    )
  return { days: parseDays(days), from, to, zone }
}

/** The same text again. */
export function formatHours({ days, from, to, zone }: Hours): string {
  const runs: [first: number, last: number][] = []
  for (const day of [...days].sort()) {
    const run = runs.at(-1)
    if (run && run[1] + 1 === day) run[1] = day
    else runs.push([day, day])
  }
  const name = (day: number) => DAYS[day - 1] ?? String(day)
  const texts = runs.map(([first, last]) => (first === last ? name(first) : `${name(first)}-${name(last)}`))
  return `${texts.join(',')} ${from}-${to} ${zone}`
}

/** @returns 1 for Monday to 7 for Sunday, in order, each once */
function parseDays(text: string): number[] {
  const found = new Set<number>()
  for (const part of text.toLowerCase().split(',')) {
    const [first, last = first, ...more] = part.split('-').map(dayOf)
    if (!first || !last || more.length > 0) throw new UsageError(`${part || text} is not a day`, DAYS_HINT)
    for (let day = first; ; day = (day % 7) + 1) {
      found.add(day)
      if (day === last) break
    }
  }
  return [...found].sort()
}

/** @returns 0 for what is no day */
function dayOf(name: string): number {
  return DAYS.indexOf(name) + 1
}

function isClock(text: string | undefined): text is string {
  return text !== undefined && /^(?:[01]\d|2[0-3]):[0-5]\d$/.test(text)
}

function isZone(zone: string): boolean {
  if (!/^[A-Za-z][A-Za-z0-9_+/-]{0,63}$/.test(zone)) return false
  try {
    new Intl.DateTimeFormat('en', { timeZone: zone })
    return true
  } catch {
    return false
  }
}
