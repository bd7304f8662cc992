/** What the audit log is opened with, and what it tells of itself. */

import type { Entry } from '../../../protocol/audit/entry.ts'
import type { LogFiles } from './files.ts'

/** Where time comes from. */
export interface LogClock {
  /** ms since 1970 */
  wall(): number
  /** ms since boot, monotonic */
  up(): number
  /** the kernel's boot id */
  boot: string
}

export interface AuditLogOptions {
  /** Directory of this log alone. */
  directory: string
  /** Name of the log and of its key, e.g. `claviger/default`. */
  origin: string
  clock: LogClock
  /** Entries that may be there at once. */
  capacity?: number
  /** Entries above the capacity that only administrative actions may use. */
  reserve?: number
  files?: LogFiles
  /** Is shown each entry that is there, in order, while the log is read. */
  visit?: (entry: Entry) => void
}

export interface LogStats {
  size: number
  /** index of the first entry that is still there */
  oldest: number
  capacity: number
  /** of all entries that are there */
  bytes: number
  /** of the last 256 syncs, ms */
  fsyncMs: { p50: number; max: number }
  /** the newest one that is on the disk; time in ms since 1970 */
  checkpoint: { size: number; time: number } | null
}
