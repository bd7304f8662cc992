/** Changes to JSON that keep it JSON: a member taken, put or replaced, at any depth. */
import type { Random } from './random.ts'

export type Json = Record<string, unknown>

/** What can be put in, and how a text is changed that was there. */
export interface Vocabulary {
  readonly names: readonly string[]
  readonly values: readonly unknown[]
  vary(text: string, random: Random): string
}

/** Longer text may be nested more deeply than can be written down again. */
const LONGEST = 4096

/** @returns an object, or an array, that has something in it; `null` for all else */
export function parseJson(text: string): Json | null {
  if (text.length > LONGEST) return null
  try {
    const value = JSON.parse(text) as unknown
    return typeof value === 'object' && value !== null && Object.keys(value).length > 0
      ? (value as Json)
      : null
  } catch {
    return null
  }
}

/** Changes one member of what {@link parseJson} gave, or of what is in it. */
export function varyJson(object: Json, random: Random, vocabulary: Vocabulary): void {
  const { names, values, vary } = vocabulary
  const name = random.of(Object.keys(object))
  const inner = object[name]
  const isInner = typeof inner === 'object' && inner !== null && Object.keys(inner).length > 0
  if (isInner && random.below(3) > 0) {
    varyJson(inner as Json, random, vocabulary)
    return
  }
  switch (random.below(4)) {
    case 0:
      delete object[name]
      break
    case 1:
      object[random.of(names)] = random.of(values)
      break
    case 2:
      object[name] = random.of(values)
      break
    default:
      object[name] = typeof inner === 'string' ? vary(inner, random) : random.of(values)
  }
}
