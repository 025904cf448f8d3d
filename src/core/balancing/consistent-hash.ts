import { mixBits } from './hash-text.ts'
import { maglevTable } from './maglev-table.ts'
import type { LoadOf, Policy } from './policy.ts'

/** So much any backend may carry whatever the bound says: among few connections affinity is worth more. */
export const leastBound = 8

/** Places of the table that are looked at for one key before everybody is asked. */
const probes = 64

/** What a consistent hash needs to know. */
export interface ConsistentHashOptions {
  /** Who the backends are: equal names give equal choices on every gateway, in any order. */
  readonly names: readonly string[]
  readonly weights: readonly number[]
  readonly loadOf: LoadOf
  /**
   * What a backend may carry relative to its fair share, above 1; then the key's next choice is taken. Infinity:
   * no bound.
   */
  readonly bound: number
}

/**
 * The same backend for the same key as long as it is eligible and not overloaded; O(1).
 *
 * A key's choices are places of a Maglev table, the first and then others drawn from the key. So when a backend
 * is refused, only its keys move, to everybody evenly, and they come back with it. Maglev rather than rendezvous
 * hashing because that compares all backends for each pick, microseconds at 1,000; rather than a ring because
 * equal shares on a ring take hundreds of points for each backend.
 *
 * No backend carries more than `bound` times its share of what all carry, rounded up, or `leastBound` (Mirrokni,
 * Thorup and Zadimoghaddam, "Consistent Hashing with Bounded Loads", SODA 2018). When too few are eligible for
 * that, the bound is taken of what the eligible ones carry, at O(n).
 */
export function consistentHash(options: ConsistentHashOptions): Policy {
  return new ConsistentHash(options)
}

class ConsistentHash implements Policy {
  readonly #table: Uint16Array
  readonly #weights: Float64Array
  readonly #members: Int32Array
  readonly #loadOf: LoadOf
  readonly #bound: number
  readonly #totalWeight: number
  /** Loads as last told, and their sum. */
  readonly #load: Float64Array
  #totalLoad = 0
  /** What `accept` said when everybody was asked. */
  readonly #eligible: Uint8Array
  /** The pick in which each was refused or found full, so that it is not asked again. */
  readonly #passedIn: Uint32Array
  #pick = 0

  constructor({ names, weights, loadOf, bound }: ConsistentHashOptions) {
    const members = [...weights.keys()].filter((index) => (weights[index] as number) > 0)
    this.#table = maglevTable(names, weights)
    this.#weights = Float64Array.from(weights)
    this.#members = Int32Array.from(members)
    this.#loadOf = loadOf
    this.#bound = bound
    this.#totalWeight = members.reduce((sum, index) => sum + (weights[index] as number), 0)
    this.#load = new Float64Array(weights.length)
    this.#eligible = new Uint8Array(weights.length)
    this.#passedIn = new Uint32Array(weights.length)
    for (const index of members) this.loadChanged(index)
  }

  loadChanged(index: number): void {
    if (this.#weights[index] === 0) return
    const load = this.#loadOf(index)
    this.#totalLoad += load - (this.#load[index] as number)
    this.#load[index] = load
  }

  pick(accept: (index: number) => boolean, key = 0): number {
    const count = this.#members.length
    if (count === 0) return -1
    const pick = this.#nextPick()
    const scale = (this.#bound * (this.#totalLoad + 1)) / this.#totalWeight
    let passed = 0
    for (let probe = 0; probe < probes && passed < count; probe++) {
      const index = this.#choice(key, probe)
      if (this.#passedIn[index] === pick) continue
      if (this.#hasRoom(index, scale) && accept(index)) return index
      this.#passedIn[index] = pick
      passed++
    }
    return this.#pickAmongFew(accept, key)
  }

  /** Asks everybody, so that the bound can be taken of those who said yes. */
  #pickAmongFew(accept: (index: number) => boolean, key: number): number {
    const members = this.#members
    let load = 0
    let weight = 0
    for (const index of members) {
      const yes = accept(index)
      this.#eligible[index] = yes ? 1 : 0
      if (!yes) continue
      load += this.#load[index] as number
      weight += this.#weights[index] as number
    }
    if (weight === 0) return -1
    const scale = (this.#bound * (load + 1)) / weight
    for (let probe = 0; probe < probes; probe++) {
      const index = this.#choice(key, probe)
      if (this.#eligible[index] === 1 && this.#hasRoom(index, scale)) return index
    }
    const start = mixBits(key + probes) % members.length
    for (let i = 0; i < members.length; i++) {
      const index = members[(start + i) % members.length] as number
      if (this.#eligible[index] === 1 && this.#hasRoom(index, scale)) return index
    }
    // Not reached: they cannot all carry more than their share.
    return -1
  }

  #choice(key: number, probe: number): number {
    const bits = mixBits((key + Math.imul(probe, 0x9e3779b9)) | 0)
    return this.#table[bits % this.#table.length] as number
  }

  #hasRoom(index: number, scale: number): boolean {
    const load = this.#load[index] as number
    return load < leastBound || load < Math.ceil(scale * (this.#weights[index] as number))
  }

  #nextPick(): number {
    if (++this.#pick === 2 ** 32) {
      this.#passedIn.fill(0)
      this.#pick = 1
    }
    return this.#pick
  }
}
