/** Where a keystore is, and what it uses of the world. */

import { randomBytes } from 'node:crypto'
import { COST_FLOOR, type CostFloor } from './factors.ts'
import { assertNamespace } from './format.ts'
import { linuxProcesses, type ProcessTable } from './lock.ts'
import type { RandomBytes } from './slots.ts'
import type { Storage } from './storage.ts'
import { journalTries, type TryCounter } from './tries.ts'

export interface KeystorePlace {
  /** The directory of the keystore files, of which several namespaces may be in one. */
  storage: Storage
  namespace: string
  /** The least that a new slot may cost to try; default {@link COST_FLOOR}. */
  floor?: CostFloor | undefined
  /** Default: the process table of Linux. */
  processes?: ProcessTable
  /** Default: the system's random generator. */
  random?: RandomBytes
  /** Default: a journal beside the keystore. */
  tries?: TryCounter
}

/** A place of which nothing is left open. */
export type FullPlace = Required<Omit<KeystorePlace, 'floor'>> & { floor: CostFloor }

/** @throws malformed-request for a namespace that cannot be one */
export function withDefaults(place: KeystorePlace): FullPlace {
  assertNamespace(place.namespace)
  const { storage, namespace, floor = COST_FLOOR } = place
  return {
    processes: linuxProcesses(),
    random: randomBytes,
    tries: journalTries(storage, namespace),
    ...place,
    floor,
  }
}
