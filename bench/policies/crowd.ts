import { Loads } from '../../src/core/balancing/contract/loads.ts'
import { seededRandom } from '../../src/core/balancing/contract/seeded-random.ts'
import type { Policy, Random } from '../../src/core/balancing/policy.ts'
import { type ContenderName, contenders } from './contenders.ts'

/**
 * Clients whose connections live for a random time and who connect again at once, each with a key of its own.
 * Loads outlive policies, as they do in the gateway: `rebuild` is what a changed configuration does.
 */
export class Crowd {
  readonly loads: Loads
  /** Picks so far. */
  picks = 0
  readonly #name: ContenderName
  readonly #random: Random
  /** The backend of each client. */
  readonly #homes: Int32Array
  readonly #up: Uint8Array
  readonly #isUp: (index: number) => boolean
  #weights: readonly number[]
  #policy: Policy

  /** @param backends how many there will ever be */
  constructor(name: ContenderName, clients: number, backends: number, weights: readonly number[], seed = 1) {
    this.#name = name
    this.#random = seededRandom(seed)
    this.loads = new Loads(backends)
    this.#homes = new Int32Array(clients).fill(-1)
    this.#up = new Uint8Array(backends).fill(1)
    this.#isUp = (index) => this.#up[index] === 1
    this.#weights = weights
    this.#policy = this.#build()
  }

  get weights(): readonly number[] {
    return this.#weights
  }

  /** Everybody connects. */
  fill(): void {
    for (let client = 0; client < this.#homes.length; client++) this.#connect(client)
  }

  /** So many connections end, whosever it may be, and are opened again. Returns where they went. */
  renew(count: number): Int32Array {
    const went = new Int32Array(count)
    for (let i = 0; i < count; i++) {
      const client = Math.floor(this.#random() * this.#homes.length)
      this.loads.add(this.#homes[client] as number, -1)
      went[i] = this.#connect(client)
    }
    return went
  }

  /** Backends join: the policy is built anew over all of them. */
  rebuild(weights: readonly number[]): void {
    this.#weights = weights
    this.#policy = this.#build()
  }

  /** Backends die: all their clients connect again at once. */
  fail(isDead: (index: number) => boolean): void {
    for (let index = 0; index < this.#up.length; index++) if (isDead(index)) this.#up[index] = 0
    const orphans: number[] = []
    for (const [client, home] of this.#homes.entries()) if (this.#up[home] === 0) orphans.push(client)
    for (const client of orphans) {
      this.loads.add(this.#homes[client] as number, -1)
      this.#connect(client)
    }
  }

  isUp(index: number): boolean {
    return this.#isUp(index)
  }

  #build(): Policy {
    const policy = contenders[this.#name]({ weights: this.#weights, loads: this.loads, source: this.#random })
    this.loads.policy = policy
    return policy
  }

  #connect(client: number): number {
    this.picks++
    // Keys are ranks of clients: the hash spreads them.
    const index = this.#policy.pick(this.#isUp, Math.imul(client + 1, 0x9e3779b9) >>> 0)
    this.#homes[client] = index
    this.loads.add(index, 1)
    return index
  }
}
