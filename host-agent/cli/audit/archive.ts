/**
 * `claviger admin audit archive`: tells the device that a folder holds its old entries, so that it may drop them. Only what
 * was verified here counts, and the device keeps what its budgets look back at.
 */
import { readEntry } from '../../../protocol/audit/entry.ts'
import type { Appliance } from '../../client/appliance.ts'
import { ApplianceError, ConnectionError } from '../../client/errors.ts'
import type { Progress } from '../terminal.ts'
import { readFolder, verifyFolder } from './folder.ts'

/** Entries stay on the device for so long: its budgets look back for 30 days. */
const KEEP_MS = 31 * 86_400_000

/** What a folder lets the device drop. */
export interface Archivable {
  directory: string
  checkpoint: string
  /** Index of the first entry in the folder. */
  first: number
  /** Index of the first entry that is too new to go. */
  before: number
}

/** @param now - ms since 1970; throws as {@link verifyFolder} does */
export async function verifyForArchive(
  directory: string,
  verifierKey: string,
  bar: Progress,
  now: number = Date.now(),
): Promise<Archivable> {
  let old = 0
  let foundNew = false
  const { first, checkpoint } = await verifyFolder(await readFolder(directory), {
    verifierKey,
    onProgress: (done, total) => bar.update(done, total),
    onLine: line => {
      foundNew ||= now - (readEntry(line)?.time ?? now) < KEEP_MS
      if (!foundNew) old++
    },
  })
  return { directory, checkpoint, first, before: first + old }
}

/** What is left on the device. */
export interface Archived {
  oldest: number
  size: number
  dropped: number
}

/**
 * @throws ConnectionError `unknown-entry` for a folder that begins later than the device's log: what lies between would be lost
 */
export async function archive(
  appliance: Pick<Appliance, 'auditEntries' | 'auditArchive'>,
  { directory, checkpoint, first, before }: Archivable,
): Promise<Archived> {
  const { oldest, size } = await appliance.auditEntries({ from: 0, limit: 1 })
  if (oldest < first)
    throw new ConnectionError(
      'unknown-entry',
      `${directory} does not hold the entries ${oldest} to ${first - 1}`,
      {
        hint: 'export into a new folder, and archive from that one',
      },
    )
  if (before <= oldest) return { oldest, size, dropped: 0 }
  try {
    const left = await appliance.auditArchive({ before, checkpoint })
    return { ...left, dropped: left.oldest - oldest }
  } catch (error) {
    // Entries go by whole segments, so there may be none to drop yet.
    if (error instanceof ApplianceError && error.code === 'audit-in-use') return { oldest, size, dropped: 0 }
    throw error
  }
}
