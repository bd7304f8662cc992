/** Quantities for people. */

const STEPS = ['B', 'kB', 'MB', 'GB', 'TB']

/** `12.3 MB`: three digits are enough to see how much it is. */
export function bytes(count: number): string {
  let [value, step] = [count, 0]
  while (value >= 999.5 && step < STEPS.length - 1) [value, step] = [value / 1000, step + 1]
  return `${step === 0 || value >= 99.95 ? Math.round(value) : value.toFixed(1)} ${STEPS[step]}`
}

/** `3 days 4 h`, `2 h 5 min`, `40 s`: the two largest units. */
export function duration(seconds: number): string {
  const days = Math.floor(seconds / 86_400)
  const hours = Math.floor((seconds % 86_400) / 3600)
  const minutes = Math.floor((seconds % 3600) / 60)
  if (days > 0) return `${days} day${days === 1 ? '' : 's'} ${hours} h`
  if (hours > 0) return `${hours} h ${minutes} min`
  return minutes > 0 ? `${minutes} min` : `${Math.floor(seconds)} s`
}
