/**
 * What one line of the benchmark says: a measured value beside the floor it is compared with and the bar it has to clear.
 */
export type Figure = {
  name: string
  value: number
  unit: string
  floor: number
  bar: number | null
  better: 'higher' | 'lower'
  /** Absolute figures of everything that was compared. */
  rows?: Row[]
}

/** One program of several that do the same. */
export interface Row {
  name: string
  /** Ms of one opening, when there is one at a time. */
  p50: number
  /** Openings, with several callers at once. */
  perSecond: number
}

/** A figure that this machine cannot measure. */
export class LackingProgram extends Error {
  constructor(program: string, debian: string) {
    super(`${program} is not on this machine\nhint: apt install ${debian}`)
  }
}
