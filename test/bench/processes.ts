/** What the three processes cost: time to start, and memory while they wait, each beside a bare Node of this run. */
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import { setTimeout as sleep } from 'node:timers/promises'
import {
  flashCard,
  PASSPHRASE,
  PIN,
  type Processes,
  startProcesses,
  temporaryDirectory,
} from '../support/appliance.ts'
import type { Figure } from './figure.ts'
import { median, milliseconds } from './measure.ts'

const STARTS = 7
/** After this time without a request a process is idle. */
const IDLE_MS = 3000

const bareStart = () => spawnSync(process.execPath, ['-e', '0'])

/** A provisioned device; `use` starts and stops its processes. */
async function withData<T>(use: (data: string) => Promise<T>): Promise<T> {
  const directory = await temporaryDirectory()
  try {
    const card = await flashCard(directory.path, '')
    const processes = await startProcesses(directory.path)
    await processes.appliance.provision(card)
    await processes.appliance.close()
    await processes.stop()
    return await use(directory.path)
  } finally {
    await directory.remove()
  }
}

async function start(): Promise<Figure> {
  return withData(async data => {
    const starts: number[] = []
    const floors: number[] = []
    for (let i = 0; i < STARTS; i++) {
      floors.push(await milliseconds(bareStart))
      const processes = await startProcesses(data)
      starts.push(processes.startedIn)
      if (!processes.lines.some(line => line.endsWith('ready, locked'))) throw new Error('it is not locked')
      await processes.stop()
    }
    return {
      name: 'start',
      value: median(starts),
      unit: 'ms',
      floor: median(floors),
      bar: 600,
      better: 'lower',
    }
  })
}

/** Resident memory in MiB. */
async function residentMemory(pid: number): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8')
  return Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)![1]) / 1024
}

async function bareMemory(): Promise<number> {
  const child = spawn(process.execPath, ['-e', 'setInterval(() => {}, 1e6)'])
  await sleep(500)
  const memory = await residentMemory(child.pid!)
  child.kill()
  await once(child, 'exit')
  return memory
}

/** Memory of each process after an unlock, a key, an enrolment and some requests, when nothing has come for a while. */
let idle: Promise<Record<string, number>> | undefined
function idleMemory(): Promise<Record<string, number>> {
  idle ??= measureIdle()
  return idle
}

/** The first start on a machine compiles and keeps the code; what is measured is any later one. */
async function measureIdle(): Promise<Record<string, number>> {
  await withData(async () => {})
  const directory = await temporaryDirectory()
  const card = await flashCard(directory.path, '')
  const processes: Processes = await startProcesses(directory.path, { fullCost: true })
  const { appliance } = processes
  try {
    await appliance.provision(card)
    const admin = await appliance.connect(appliance.admin)
    await admin.createKey('orders')
    const till = await appliance.connect(await appliance.enrol('till-1', 'operator', ['orders'], PIN))
    await till.lock()
    await admin.unlock({ passphrase: PASSPHRASE })
    for (let i = 0; i < 10; i++) await admin.health()
    await sleep(IDLE_MS)
    const floor = await bareMemory()
    const [keeper, gate, health] = await Promise.all(
      (['keeper', 'gate', 'health'] as const).map(name => residentMemory(processes.pidOf(name))),
    )
    return { keeper: keeper!, gate: gate!, health: health!, floor }
  } finally {
    await appliance.close()
    await processes.stop()
    await directory.remove()
  }
}

const memory = (name: 'keeper' | 'gate' | 'health', bar: number | null) => ({
  name: `rss-${name}`,
  run: async (): Promise<Figure> => {
    const measured = await idleMemory()
    return {
      name: `rss-${name}`,
      value: measured[name]!,
      unit: 'MiB',
      floor: measured.floor!,
      bar,
      better: 'lower',
    }
  },
})

export const figures: { name: string; run: () => Promise<Figure> }[] = [
  { name: 'start', run: start },
  memory('keeper', 64),
  memory('gate', null),
  memory('health', null),
]
