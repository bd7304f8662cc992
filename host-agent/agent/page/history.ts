/** How a device did over the last day, sampled once a minute from the first time that somebody looks; kept in memory alone. */
import type { Health } from '../../../protocol/api/schemas.ts'
import type { HealthSample } from './api.ts'
import type { EnrolmentLink } from './link.ts'

const EVERY_MS = 60_000
/** A day of them. */
const MOST = 1440

/** The samples of each enrolment that was looked at. */
export class HealthHistory {
  readonly #samples = new Map<string, HealthSample[]>()
  readonly #links = new Map<string, EnrolmentLink>()
  readonly #timer: NodeJS.Timeout

  constructor() {
    this.#timer = setInterval(() => void this.#sampleAll(), EVERY_MS)
    this.#timer.unref()
  }

  /** Adds what was just asked for, and goes on sampling. @returns oldest first */
  add(link: EnrolmentLink, health: Health): HealthSample[] {
    const { name } = link.profile
    this.#links.set(name, link)
    const samples = this.#samples.get(name) ?? []
    this.#samples.set(name, samples)
    const now = Date.now()
    if (now - (samples.at(-1)?.time ?? 0) >= EVERY_MS / 2) samples.push(sampleOf(health, now))
    while (samples.length > MOST || now - (samples[0]?.time ?? now) > MOST * EVERY_MS) samples.shift()
    return samples
  }

  stop(): void {
    clearInterval(this.#timer)
  }

  async #sampleAll(): Promise<void> {
    for (const link of this.#links.values())
      await link
        .appliance()
        .then(async appliance => this.add(link, await appliance.health()))
        // a gap is what the plot shows then
        .catch(() => {})
  }
}

/** @param now - ms since 1970, of this machine: clocks of devices differ */
export function sampleOf({ cpu, memory, log }: Health, now: number): HealthSample {
  return {
    time: now,
    temperature: cpu.temperature,
    load: cpu.load,
    memoryAvailable: memory.available,
    logSize: log?.size ?? null,
  }
}
