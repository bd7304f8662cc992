/** Which fields a purpose covers, as grants say it. */
import type { Purpose } from '../../api.ts'

/** `card.number` is that class alone, `address.*` every class below it, `*` all. */
export function covers({ fields }: Pick<Purpose, 'fields'>, field: string): boolean {
  return fields.some(pattern =>
    pattern.endsWith('*')
      ? field.length >= pattern.length && field.startsWith(pattern.slice(0, -1))
      : pattern === field,
  )
}

/** Fields that it does not cover, each once. */
export function uncovered(purpose: Pick<Purpose, 'fields'>, fields: readonly string[]): string[] {
  return [...new Set(fields.filter(field => !covers(purpose, field)))]
}

/** The ways of showing a value that a page has, of those that are granted. Who may see all may see less. */
export function waysOf({ reveal }: Pick<Purpose, 'reveal'>): ('full' | 'last4' | 'mask')[] {
  const all = ['full', 'last4', 'mask'] as const
  return reveal.includes('full') ? [...all] : all.filter(way => reveal.includes(way))
}
