/** Methods about the audit log: checkpoint, proofs, entries, archive. */
import { ClavigerError } from '../../protocol/api/errors.ts'
import { openCheckpoint } from '../../protocol/audit/checkpoint.ts'
import { logKeyOf } from './log-key.ts'
import { BudgetTime } from './policy/elapsed.ts'
import { PERIOD_MS } from './policy/grant.ts'
import type { Recorder } from './recorder.ts'
import type { Params, Results } from './rpc/messages.ts'
import type { Service } from './service.ts'

/** Bytes of entries in one answer, at most; at least one entry is answered. */
const MAX_BYTES = 524_288

/** Budgets look back for 30 days of budget time, so entries stay for a day longer. */
const KEEP_MS = PERIOD_MS.month + PERIOD_MS.day

/** Methods that only read hashes and signatures. */
export function serveAudit(
  service: Service,
  method: 'auditCheckpoint' | 'auditConsistency' | 'auditInclusion',
  params: never,
): unknown {
  if (method === 'auditCheckpoint') return checkpoint(service)
  return method === 'auditConsistency' ? consistency(service, params) : inclusion(service, params)
}

async function checkpoint({ vault, recorder }: Service): Promise<Results['auditCheckpoint']> {
  return { checkpoint: (await recorder.log.shownCheckpoint()) ?? '', logKey: logKeyOf(vault) }
}

/** @throws ClavigerError `unknown-entry` for sizes that the log does not have */
function consistency({ recorder: { log } }: Service, { from, to }: Params<'auditConsistency'>): Uint8Array[] {
  return log.consistency(from, to)
}

/** @throws ClavigerError `unknown-entry` for an entry that the log does not have, or has no more */
function inclusion(
  { recorder: { log } }: Service,
  { index, size }: Params<'auditInclusion'>,
): Results['auditInclusion'] {
  const proof = log.inclusion(index, size)
  return { entry: log.lines(index, 1)[0]!, proof }
}

/** Entries from an index on, or from the oldest that is there; fewer than asked for, if they are long. */
export function readEntries(
  { recorder: { log } }: Service,
  { from, limit }: Params<'auditEntries'>,
): Results['auditEntries'] {
  const oldest = log.oldest()
  const first = Math.max(from, oldest)
  const entries = log.lines(first, limit, MAX_BYTES)
  return {
    entries,
    // Of a damaged log the lines are all there is to see.
    leaves: log.damage ? new Uint8Array() : log.leaves(first, entries.length),
    oldest,
    size: log.size,
    dropped: log.damage ? [] : log.peaks(oldest),
  }
}

/**
 * Drops entries that were exported, under a checkpoint of this log that covers them.
 *
 * @throws ClavigerError `audit-in-use` for entries that budgets may still count, or that are not whole segments
 * @throws CheckpointError `bad-checkpoint`
 */
export async function archive(
  { vault, recorder }: Service,
  { before, checkpoint }: Params<'auditArchive'>,
): Promise<Results['auditArchive']> {
  const { log } = recorder
  const { size } = openCheckpoint(checkpoint, logKeyOf(vault))
  if (before > size) throw new ClavigerError('audit-in-use', `the checkpoint covers ${size} entries only`)
  if ((await age(recorder, before)) < KEEP_MS)
    throw new ClavigerError('audit-in-use', 'entries stay for 31 days, because budgets count them', {
      hint: 'archive up to an older entry; of a time that the device was off, three days count',
    })
  return { oldest: await log.archive(before), size: log.size }
}

/** ms of budget time between the last entry before `before` and the newest one. */
async function age({ log }: Recorder, before: number): Promise<number> {
  const time = new BudgetTime()
  let then = 0
  await log.replay(entry => {
    const at = time.observe({ boot: entry.boot, up: entry.up, wall: entry.time })
    if (entry.index < before) then = at
  })
  return time.now - then
}
