/** Logs and entries for the audit log's tests. */

import { AuditLog, type AuditLogOptions } from '../../appliance/keeper/audit/log.ts'
import { SegmentNodes } from '../../appliance/keeper/audit/nodes.ts'
import { type EntryBody, formatEntry } from '../../protocol/audit/entry.ts'
import { entriesName } from '../../protocol/audit/export.ts'
import type { Disk } from './audit-disk.ts'
import { ORIGIN } from './audit-vector.ts'

export { LOG_KEY, ORIGIN, VERIFIER_KEY } from './audit-vector.ts'

/** A clock that goes on by one ms at every look. */
export function counting(): AuditLogOptions['clock'] {
  let now = 0
  return { wall: () => 1_800_000_000_000 + now++, up: () => now, boot: 'boot-1' }
}

export function openLog(disk: Disk, options: Partial<AuditLogOptions> = {}): Promise<AuditLog> {
  return AuditLog.open({ directory: '', files: disk.files(), origin: ORIGIN, clock: counting(), ...options })
}

/** A decision on one record. */
export function decrypt(record: string): EntryBody {
  return {
    agent: 'till-1',
    role: 'operator',
    action: 'decrypt',
    outcome: 'allowed',
    purpose: 'ship',
    reason: 'labels 2026-11-22',
    items: [{ key: 'orders@3', field: 'address.ship', reveal: 'full', records: [record], grant: 'labels' }],
    count: 1,
  }
}

/** The line of the entry at an index, as a log of these tests would have it. */
export function lineAt(index: number, record = `orders/${index}`): string {
  const clock = { time: 1_800_000_000_000 + index, boot: 'boot-1', up: index + 1 }
  return formatEntry({ index, ...clock, ...decrypt(record) })
}

/** Files of a log of `size` entries, made without opening one. */
export function* segmentsOf(
  size: number,
  recordOf: (index: number) => string | undefined = () => undefined,
): Generator<{ first: number; lines: string; nodes: Buffer | null }> {
  const nodes = new SegmentNodes()
  for (let first = 0; first < size; first += 4096) {
    nodes.clear()
    const lines: string[] = []
    for (let index = first; index < Math.min(size, first + 4096); index++) {
      const line = lineAt(index, recordOf(index))
      lines.push(line, '\n')
      nodes.addLine(Buffer.from(`\0${line}`))
    }
    yield { first, lines: lines.join(''), nodes: nodes.isFull ? nodes.bytes : null }
  }
}

/** Puts a log of `size` entries on a disk. */
export function fill(disk: Disk, size: number): Disk {
  for (const { first, lines, nodes } of segmentsOf(size)) {
    disk.put(entriesName(first), Buffer.from(lines))
    if (nodes) disk.put(nodesName(first), nodes)
  }
  return disk
}

export function nodesName(first: number): string {
  return `nodes-${String(first).padStart(9, '0')}.bin`
}
