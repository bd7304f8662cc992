/** The clocks of the device: one that can be set, and one that cannot. */
import { randomUUID } from 'node:crypto'
import { readFileSync } from 'node:fs'
import type { ClockReading } from './policy/elapsed.ts'

export interface Clock {
  /** ms since 1970. */
  wall(): number
  /** ms since the boot, monotonic. */
  up(): number
  /** Changes with every boot. */
  readonly boot: string
}

/** The clocks of this machine (CLOCK_REALTIME, CLOCK_MONOTONIC, and the kernel's boot id). */
export function systemClock(): Clock {
  return {
    wall: Date.now,
    up: () => Math.floor(Number(process.hrtime.bigint() / 1_000_000n)),
    boot: bootId(),
  }
}

/** Where the kernel does not tell, each start counts as a boot. */
function bootId(): string {
  try {
    return readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim()
  } catch {
    return randomUUID()
  }
}

/** All of them at one moment. */
export function read(clock: Clock): ClockReading {
  return { boot: clock.boot, up: clock.up(), wall: clock.wall() }
}
