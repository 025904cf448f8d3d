import type { LoadOf, Policy } from '../policy.ts'

/** Live numbers of backends as a gateway keeps them: every change is told to the policy. */
export class Loads {
  readonly of: LoadOf = (index) => this.counts[index] as number
  readonly counts: number[]
  policy: Policy | null = null

  constructor(count: number) {
    this.counts = new Array<number>(count).fill(0)
  }

  get total(): number {
    return this.counts.reduce((sum, count) => sum + count, 0)
  }

  add(index: number, change: number): void {
    this.counts[index] = (this.counts[index] as number) + change
    this.policy?.loadChanged?.(index)
  }

  /** Picks for a connection that stays; returns its backend. */
  open(accept: (index: number) => boolean, key: number): number {
    const index = (this.policy as Policy).pick(accept, key)
    if (index !== -1) this.add(index, 1)
    return index
  }
}
