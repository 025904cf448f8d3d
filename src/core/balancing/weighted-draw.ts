import type { Random } from './policy.ts'

/** Draws from the alias table before the tree is used; beyond it, most of the weight has been drawn already. */
const quickDraws = 4

/**
 * Draws indices at random, each as likely as its weight says, in rounds in which nobody comes twice.
 *
 * The first draws of a round come from an alias table in O(1) (Vose, "A Linear Algorithm for Generating Random
 * Numbers with a Given Distribution", 1991). When they only meet who has come already, a tree of sums without
 * those takes over, O(log n) a draw, so that a round always ends and its distribution is exact.
 */
export class WeightedDraw {
  readonly #random: Random
  /** Everybody with a weight. */
  readonly #members: Int32Array
  /** Of the alias table: how likely the member of a column is to be taken rather than its alias. */
  readonly #chance: Float64Array
  readonly #alias: Int32Array
  readonly #sums: SumTree
  /** The round in which each index last came. */
  readonly #cameIn: Uint32Array
  /** Who came in this round, in order; the first `#removed` of them are out of the tree. */
  readonly #drawn: Int32Array
  #drawnCount = 0
  #removed = 0
  #round = 1

  constructor(weights: readonly number[], random: Random) {
    const members = [...weights.keys()].filter((index) => (weights[index] as number) > 0)
    this.#random = random
    this.#members = Int32Array.from(members)
    this.#chance = new Float64Array(members.length)
    this.#alias = new Int32Array(members.length)
    this.#sums = new SumTree(weights)
    this.#cameIn = new Uint32Array(weights.length)
    this.#drawn = new Int32Array(members.length)
    this.#fillAliasTable(weights)
  }

  /** Starts a round: everybody may come again. */
  begin(): void {
    for (let i = 0; i < this.#removed; i++) this.#sums.restore(this.#drawn[i] as number)
    this.#removed = 0
    this.#drawnCount = 0
    this.#round++
    if (this.#round === 2 ** 32) {
      this.#cameIn.fill(0)
      this.#round = 1
    }
  }

  /** Somebody who has not come in this round; -1 when all have. */
  next(): number {
    const members = this.#members
    if (this.#drawnCount === members.length) return -1
    for (let draws = 0; draws < quickDraws; draws++) {
      const place = this.#random() * members.length
      const column = Math.floor(place)
      const own = place - column < (this.#chance[column] as number)
      const index = members[own ? column : (this.#alias[column] as number)] as number
      if (this.#cameIn[index] !== this.#round) return this.#come(index)
    }
    while (this.#removed < this.#drawnCount) this.#sums.remove(this.#drawn[this.#removed++] as number)
    return this.#come(this.#sums.find(this.#random()))
  }

  #come(index: number): number {
    this.#cameIn[index] = this.#round
    this.#drawn[this.#drawnCount++] = index
    return index
  }

  #fillAliasTable(weights: readonly number[]): void {
    const members = this.#members
    const total = members.reduce((sum, index) => sum + (weights[index] as number), 0)
    const scaled = Array.from(members, (index) => ((weights[index] as number) * members.length) / total)
    const small: number[] = []
    const large: number[] = []
    for (const [column, share] of scaled.entries()) (share < 1 ? small : large).push(column)
    while (small.length > 0 && large.length > 0) {
      const lacking = small.pop() as number
      const giving = large.at(-1) as number
      this.#chance[lacking] = scaled[lacking] as number
      this.#alias[lacking] = giving
      scaled[giving] = (scaled[giving] as number) - (1 - (scaled[lacking] as number))
      if ((scaled[giving] as number) < 1) small.push(large.pop() as number)
    }
    // What is left differs from 1 by rounding only.
    for (const column of [...small, ...large]) this.#chance[column] = 1
  }
}

/** Sums of weights over a binary tree. A node is always computed from its children, so nothing drifts. */
class SumTree {
  readonly #weights: Float64Array
  readonly #sums: Float64Array
  readonly #leaves: number

  constructor(weights: readonly number[]) {
    this.#weights = Float64Array.from(weights)
    this.#leaves = 2 ** Math.ceil(Math.log2(Math.max(1, weights.length)))
    this.#sums = new Float64Array(2 * this.#leaves)
    this.#sums.set(this.#weights, this.#leaves)
    for (let node = this.#leaves - 1; node > 0; node--) this.#add(node)
  }

  remove(index: number): void {
    this.#set(index, 0)
  }

  restore(index: number): void {
    this.#set(index, this.#weights[index] as number)
  }

  /** The index at a share of the whole, from 0 to below 1. Something must be left. */
  find(share: number): number {
    const sums = this.#sums
    let left = share * (sums[1] as number)
    let node = 1
    while (node < this.#leaves) {
      node *= 2
      const sum = sums[node] as number
      // The second condition keeps rounding from leading to nobody.
      if (left < sum || sums[node + 1] === 0) continue
      left -= sum
      node++
    }
    return node - this.#leaves
  }

  #set(index: number, weight: number): void {
    let node = this.#leaves + index
    this.#sums[node] = weight
    for (node >>= 1; node > 0; node >>= 1) this.#add(node)
  }

  #add(node: number): void {
    this.#sums[node] = (this.#sums[2 * node] as number) + (this.#sums[2 * node + 1] as number)
  }
}
