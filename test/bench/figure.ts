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
}
