/** What the light says: one state of the whole device, and its pattern (docs/light-and-button.md, "The light"). */
import type { State } from '../../../protocol/api/routes.ts'

/** What can be shown, the most urgent first; `off` while nothing is known. */
export const LIGHTS = ['lockdown', 'fault', 'touch', 'unprovisioned', 'locked', 'operational', 'off'] as const
export type Light = (typeof LIGHTS)[number]

/** How long the light is on, and then off, ms, again and again; one flash that is never off is steady. */
export type Flash = readonly [on: number, off: number]

/** No two can be mistaken for each other by somebody who looks for two seconds. */
export const PATTERNS: Readonly<Record<Light, readonly Flash[]>> = {
  lockdown: [[100, 100]],
  fault: [
    [150, 150],
    [150, 1050],
  ],
  touch: [[600, 150]],
  unprovisioned: [[1000, 1000]],
  locked: [[100, 1900]],
  operational: [[1000, 0]],
  off: [[0, 1000]],
}

/** One namespace, as far as the light tells it. */
export interface Standing {
  readonly state: State
  /** Something is wrong with its keystore or its log. */
  readonly isDamaged: boolean
}

/** What the light of the device says: of several namespaces, the most urgent. */
export function lightOf(namespaces: readonly Standing[], touches: number): Light {
  const told = new Set<Light>(namespaces.map(lightOfOne))
  if (touches > 0) told.add('touch')
  return LIGHTS.find(light => told.has(light)) ?? 'off'
}

function lightOfOne({ state, isDamaged }: Standing): Light {
  // Of a log that is damaged too, that somebody called lockdown is told first.
  if (state === 'lockdown') return state
  return state === 'failed' || isDamaged ? 'fault' : state
}
