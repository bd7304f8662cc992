/**
 * One look at the sensors, as `GET /v1/health` shows it. `systeminformation` forks helpers for some of it, which is why
 * this runs in a process of its own. What a machine does not tell is `null`, never a guess.
 */
import { readdir, readFile } from 'node:fs/promises'
import { uptime } from 'node:os'
import { join } from 'node:path'
import si from 'systeminformation'
import type { Snapshot } from './feed.ts'
import { readTier } from './tier.ts'

/**
 * @param disk - a path on the file system to report (the data partition)
 * @param clock - milliseconds since 1970
 */
export async function takeSnapshot(disk: string, clock: () => number): Promise<Snapshot> {
  const [temperature, load, memory, disks, model, throttled, tier] = await Promise.all([
    si.cpuTemperature(),
    si.currentLoad(),
    si.mem(),
    si.fsSize(),
    readModel(),
    readThrottled(),
    readTier(),
  ])
  const holding = disks
    .filter(({ mount }) => disk === mount || disk.startsWith(mount.endsWith('/') ? mount : `${mount}/`))
    .sort((a, b) => b.mount.length - a.mount.length)[0]
  return {
    time: Math.floor(clock() / 1000),
    uptime: Math.floor(uptime()),
    model,
    tier,
    cpu: {
      temperature: finite(temperature.main),
      load: Math.round(load.currentLoad * 10) / 10,
      throttled,
    },
    memory: { total: memory.total, available: memory.available },
    disk: { total: holding?.size ?? 0, available: holding?.available ?? 0 },
  }
}

function finite(value: number | null): number | null {
  return typeof value === 'number' && Number.isFinite(value) ? value : null
}

/** The device tree names a Pi's model; other machines have none. */
async function readModel(): Promise<string | null> {
  const text = await readFile('/proc/device-tree/model', 'utf8').catch(() => null)
  return text?.replace(/\0+$/, '') || null
}

/** Undervoltage, which makes a Pi throttle, as the kernel's `raspberrypi-hwmon` driver (`rpi_volt`) reports it. */
async function readThrottled(): Promise<boolean | null> {
  const root = '/sys/class/hwmon'
  for (const entry of await readdir(root).catch(() => [])) {
    const read = (file: string) => readFile(join(root, entry, file), 'utf8').catch(() => '')
    if ((await read('name')).trim() === 'rpi_volt') return (await read('in0_lcrit_alarm')).trim() === '1'
  }
  return null
}
