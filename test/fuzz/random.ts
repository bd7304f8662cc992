/** Numbers that are the same for the same seed: SplitMix32, which is enough to mutate with, and for nothing else. */
export class Random {
  #state: number

  constructor(seed: number) {
    this.#state = seed >>> 0
  }

  /** What another one that goes on as this one does is made with. */
  get state(): number {
    return this.#state
  }

  /** @returns another that goes on as this one does */
  copy(): Random {
    return new Random(this.#state)
  }

  next(): number {
    this.#state = (this.#state + 0x9e3779b9) >>> 0
    let mixed = this.#state
    mixed = Math.imul(mixed ^ (mixed >>> 16), 0x21f0aaad)
    mixed = Math.imul(mixed ^ (mixed >>> 15), 0x735a2d97)
    return (mixed ^ (mixed >>> 15)) >>> 0
  }

  /** @returns an integer from 0 to one less than `limit` */
  below(limit: number): number {
    return limit <= 1 ? 0 : this.next() % limit
  }

  of<T>(list: readonly T[]): T {
    return list[this.below(list.length)]!
  }
}
