/** `claviger admin health`: how the device is, what is left of the budgets, how far the log is, and every alarm. */
import type { Health } from '../../../protocol/api/schemas.ts'
import { localTime } from '../../client/errors.ts'
import { COMMON, type Command, readArguments } from '../command.ts'
import { chooseProfile, withAppliance } from '../session.ts'
import type { Terminal } from '../terminal.ts'
import { bytes, duration } from '../units.ts'

/** What an alarm means, in the words of a shop. */
const ALARM_NAMES: Record<string, string> = {
  lockdown: 'lockdown',
  canary: 'canary opened',
  budget: 'budget exceeded',
  'log-nearly-full': 'log nearly full',
  'log-damaged': 'log damaged',
  temperature: 'too hot',
}

/** What the device says checks its system. docs/image.md, "Security tiers". */
const TIER_NAMES: Record<Health['tier'], string> = {
  none: 'not an image of ours: whoever can write to its disk can change it',
  'verified-root': 'root checked as it is read; nothing checks what starts it',
}

export const command: Command = {
  summary: 'how the device is: sensors, budgets, log and alarms',
  usage: 'claviger admin health [--as NAME] [--at ADDRESS] [--json]\n',

  async run(args, surroundings) {
    const { options } = readArguments(args, COMMON, [])
    const profile = await chooseProfile(options, surroundings, ['administrator', 'auditor'])
    const health = await withAppliance(profile, surroundings, appliance => appliance.health(), {
      onlyLooks: true,
    })
    if (options.json) surroundings.terminal.printJson(health)
    else show(health, surroundings.terminal)
    return 0
  },
}

function show(health: Health, terminal: Terminal): void {
  terminal.table(['what', 'how it is'], [...deviceRows(health), ...logRows(health), ...decisionRows(health)])
  if (health.budgets.length > 0) {
    terminal.print('')
    const left = (count: number | null) => (count === null ? '' : String(count))
    terminal.table(
      ['agent', 'purpose', 'in a', 'records left', 'operations left'],
      health.budgets.map(({ agent, purpose, per, records, operations }) => [
        agent,
        purpose,
        per,
        left(records),
        left(operations),
      ]),
    )
  }
  if (health.alarms.length > 0) {
    terminal.print('')
    terminal.table(
      ['alarm', 'when', 'why'],
      health.alarms.map(({ what, when, why }) => [
        ALARM_NAMES[what] ?? what,
        localTime(when),
        terminal.tame(why),
      ]),
    )
  }
}

function deviceRows({ model, tier, uptime, cpu, memory, disk, link, time }: Health): string[][] {
  const { temperature, load, throttled } = cpu
  const clock = `${localTime(time)} on its clock`
  return [
    ['device', [...(model === null ? [] : [model]), `up for ${duration(uptime)}`, clock].join(', ')],
    [
      'processor',
      [
        ...(temperature === null ? [] : [`${temperature.toFixed(1)} °C`]),
        `load ${Math.round(load)} %`,
        ...(throttled ? ['slowed down: too hot, or too little power'] : []),
      ].join(', '),
    ],
    ['system', TIER_NAMES[tier]],
    ['memory', `${bytes(memory.available)} of ${bytes(memory.total)} free`],
    ['disk', `${bytes(disk.available)} of ${bytes(disk.total)} free`],
    ...(link === null ? [] : [['serial link', countsOf(link) || 'no disturbance']]),
  ]
}

function logRows({ log }: Health): string[][] {
  if (log === null) return []
  const { size, oldest, bytes: used, capacity, fsync, checkpoint } = log
  const signed =
    checkpoint === null
      ? 'nothing signed yet'
      : `signed up to ${checkpoint.size} on ${localTime(checkpoint.time)}`
  return [
    ['log', `${size} entries${oldest > 0 ? `, archived before ${oldest}` : ''}; ${signed}`],
    ['log space', `${size - oldest} of ${capacity} entries used, ${bytes(used)}`],
    ['log writes', `${fsync.p50.toFixed(1)} ms usual, ${fsync.max.toFixed(1)} ms longest`],
  ]
}

function decisionRows({ decisions }: Health): string[][] {
  return [['decisions', countsOf(decisions) || 'none since the start']]
}

/** `allowed 12, not-granted 3`, without zeros. */
function countsOf(counts: Record<string, number>): string {
  return Object.entries(counts)
    .filter(([, count]) => count !== 0)
    .map(([name, count]) => `${name} ${count}`)
    .join(', ')
}
