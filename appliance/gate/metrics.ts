/** The health document in the Prometheus text exposition format 0.0.4. */
import type { Health } from '../../protocol/api/schemas.ts'

type Labels = Record<string, string>

/** One metric with its samples. Those without a value are left out. */
function metric(
  name: string,
  type: 'counter' | 'gauge',
  help: string,
  samples: [value: number | null, labels?: Labels][],
): string {
  const known = samples.filter((sample): sample is [number, Labels?] => sample[0] !== null)
  if (known.length === 0) return ''
  const full = `claviger_${name}`
  const lines = known.map(([value, labels = {}]) => `${full}${spell(labels)} ${value}`)
  return `# HELP ${full} ${help}\n# TYPE ${full} ${type}\n${lines.join('\n')}\n`
}

function spell(labels: Labels): string {
  const pairs = Object.entries(labels).map(([name, value]) => `${name}="${escaped(value)}"`)
  return pairs.length > 0 ? `{${pairs.join(',')}}` : ''
}

const escaped = (value: string) => value.replace(/[\\"\n]/g, c => (c === '\n' ? '\\n' : `\\${c}`))

/** Bytes and seconds, as Prometheus has them; counters count since the start of their process. */
export function exposition({
  cpu,
  memory,
  disk,
  uptime,
  link,
  decisions,
  budgets,
  log,
  alarms,
}: Health): string {
  const left = (of: 'records' | 'operations') =>
    budgets.map(({ agent, purpose, per, [of]: value }): [number | null, Labels] => [
      value,
      { agent, purpose, per },
    ])
  const counted = (counts: Record<string, number>, label: string) =>
    Object.entries(counts).map(([name, value]): [number, Labels] => [value, { [label]: name }])
  return [
    metric('uptime_seconds', 'gauge', 'Time since the device was started.', [[uptime]]),
    metric('cpu_temperature_celsius', 'gauge', 'Temperature of the processor.', [[cpu.temperature]]),
    metric('cpu_load_ratio', 'gauge', 'Load of all cores.', [[cpu.load / 100]]),
    metric('memory_available_bytes', 'gauge', 'Memory that programs can have.', [[memory.available]]),
    metric('disk_available_bytes', 'gauge', 'Room on the data partition.', [[disk.available]]),
    metric('link_events_total', 'counter', 'Events on the serial link.', counted(link ?? {}, 'event')),
    metric('decisions_total', 'counter', 'Items decided, by outcome.', counted(decisions, 'outcome')),
    metric('budget_left_records', 'gauge', 'Distinct records that a budget has left.', left('records')),
    metric('budget_left_operations', 'gauge', 'Operations that a budget has left.', left('operations')),
    metric('log_entries', 'gauge', 'Entries that the log ever had.', [[log?.size ?? null]]),
    metric('log_kept_entries', 'gauge', 'Entries that are still on the device.', [
      [log && log.size - log.oldest],
    ]),
    metric('log_capacity_entries', 'gauge', 'Entries that the device has room for.', [
      [log?.capacity ?? null],
    ]),
    metric('log_bytes', 'gauge', 'Size of the entries on the device.', [[log?.bytes ?? null]]),
    metric('log_fsync_seconds', 'gauge', 'Time to make an entry durable, of the last 256 writes.', [
      [log && log.fsync.p50 / 1000, { quantile: '0.5' }],
      [log && log.fsync.max / 1000, { quantile: '1' }],
    ]),
    metric('log_checkpoint_entries', 'gauge', 'Entries under the newest signed checkpoint on the disk.', [
      [log?.checkpoint?.size ?? null],
    ]),
    metric('log_checkpoint_timestamp_seconds', 'gauge', 'When that checkpoint was written.', [
      [log?.checkpoint?.time ?? null],
    ]),
    metric(
      'alarms',
      'gauge',
      'Alarms that are remembered, by what they are about.',
      counted(alarmCounts(alarms), 'what'),
    ),
  ].join('')
}

function alarmCounts(alarms: Health['alarms']): Record<string, number> {
  const counts: Record<string, number> = {}
  for (const { what } of alarms) counts[what] = (counts[what] ?? 0) + 1
  return counts
}
