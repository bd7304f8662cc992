/** Figures in the report: `# figure NAME VALUE UNIT`. */
import type { Test } from 'tap'

export function figure(t: Test, name: string, value: number, unit: string): void {
  t.comment(`figure ${name} ${Number(value.toPrecision(3))} ${unit}`)
}

/** @param share - from 0 to 1 */
export function quantile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? Number.NaN
}

/** Median, 99th percentile and worst of times in ms. */
export function times(t: Test, name: string, values: readonly number[]): void {
  figure(t, `${name}-p50`, quantile(values, 0.5), 'ms')
  figure(t, `${name}-p99`, quantile(values, 0.99), 'ms')
  figure(t, `${name}-worst`, Math.max(...values), 'ms')
}
