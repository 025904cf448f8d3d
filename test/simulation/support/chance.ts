/** Random choices that are the same for the same seed, on every machine and runtime (mulberry32). */
export class Chance {
  #state: number

  constructor(seed: number) {
    this.#state = seed | 0
    // Neighbouring seeds begin alike otherwise.
    for (let i = 0; i < 4; i++) this.real()
  }

  /** From 0 to below 1. */
  readonly real = (): number => {
    this.#state = (this.#state + 0x6d2b79f5) | 0
    let bits = Math.imul(this.#state ^ (this.#state >>> 15), 1 | this.#state)
    bits = (bits + Math.imul(bits ^ (bits >>> 7), 61 | bits)) ^ bits
    return ((bits ^ (bits >>> 14)) >>> 0) / 2 ** 32
  }

  /** A whole number from `least` to `most`, both included. */
  int(least: number, most: number): number {
    return least + Math.floor(this.real() * (most - least + 1))
  }

  /** True in this part of all cases. */
  is(probability: number): boolean {
    return this.real() < probability
  }

  pick<T>(from: readonly T[]): T {
    return from[this.int(0, from.length - 1)] as T
  }

  /** One of the keys, as often as their weights say. */
  weighted<Key extends string>(weights: Readonly<Partial<Record<Key, number>>>): Key {
    const entries = Object.entries(weights) as [Key, number][]
    let left = this.real() * entries.reduce((sum, [, weight]) => sum + weight, 0)
    for (const [key, weight] of entries) {
      left -= weight
      if (left < 0) return key
    }
    return (entries.at(-1) as [Key, number])[0]
  }

  /** Mostly small, sometimes up to `most`: sizes as they occur. */
  size(most: number): number {
    return Math.floor(most ** this.real()) - (this.is(0.1) ? 1 : 0)
  }

  /** A stream of choices of its own, so that what one part takes does not change what another gets. */
  fork(): Chance {
    return new Chance(Math.floor(this.real() * 2 ** 32))
  }
}
