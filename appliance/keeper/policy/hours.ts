/** Office hours: the weekday and minute that a wall clock shows in a time zone, and whether a grant is for it. */
import type { Hours } from './grant.ts'

/** What a clock on the wall shows. */
export interface LocalTime {
  /** 1 is Monday, 7 is Sunday. */
  readonly day: number
  /** Minute of the day, 0 to 1439. */
  readonly minute: number
}

/** What is kept of a zone: its formatter, and the last minute that was asked for. */
interface Zone {
  readonly format: Intl.DateTimeFormat
  minute: number
  local: LocalTime
}

const WEEKDAYS = ['Mon', 'Tue', 'Wed', 'Thu', 'Fri', 'Sat', 'Sun']
/** Formatters are large; a shop has a handful of zones. */
const MAX_ZONES = 16
const zones = new Map<string, Zone>()

/** True for the name of a time zone in the IANA database. Bare offsets such as `+01:00` know no summer time and are none. */
export function isZone(zone: string): boolean {
  return open(zone) !== null
}

/**
 * Local weekday and minute.
 * @param wall ms since 1970
 * @returns `null` for an unknown zone or a time that no calendar has
 */
export function localTime(zone: string, wall: number): LocalTime | null {
  const known = open(zone)
  // Offsets are whole minutes since long before 1970, so one answer serves a whole minute.
  const minute = Math.floor(wall / 60_000)
  if (!known || !(Math.abs(wall) <= 8.64e15)) return null
  if (known.minute !== minute) {
    known.local = read(known.format, minute * 60_000)
    known.minute = minute
  }
  return known.local
}

/** True when `hours` allow this moment. An unknown zone allows none. */
export function withinHours(hours: Hours, wall: number): boolean {
  const local = localTime(hours.zone, wall)
  if (!local) return false
  const from = minuteOf(hours.from)
  const to = minuteOf(hours.to)
  const { day, minute } = local
  if (from < to) return hours.days.includes(day) && minute >= from && minute < to
  const yesterday = day === 1 ? 7 : day - 1
  return (hours.days.includes(day) && minute >= from) || (hours.days.includes(yesterday) && minute < to)
}

function open(name: string): Zone | null {
  const known = zones.get(name)
  if (known) return known
  if (!/^[A-Za-z]/.test(name)) return null
  try {
    const format = new Intl.DateTimeFormat('en-US', {
      timeZone: name,
      weekday: 'short',
      hour: '2-digit',
      minute: '2-digit',
      hourCycle: 'h23',
    })
    if (zones.size >= MAX_ZONES) zones.clear()
    const zone = { format, minute: Number.NaN, local: { day: 0, minute: 0 } }
    zones.set(name, zone)
    return zone
  } catch {
    return null
  }
}

function read(format: Intl.DateTimeFormat, wall: number): LocalTime {
  const parts: Partial<Record<Intl.DateTimeFormatPartTypes, string>> = {}
  for (const { type, value } of format.formatToParts(wall)) parts[type] = value
  return {
    day: WEEKDAYS.indexOf(parts.weekday!) + 1,
    minute: Number(parts.hour) * 60 + Number(parts.minute),
  }
}

/** Minutes of `HH:MM`. */
function minuteOf(text: string): number {
  return Number(text.slice(0, 2)) * 60 + Number(text.slice(3))
}
