/**
 * Keeps members in the order in which they were last active, the longest idle first, without a clock and without
 * being told: each sweep compares a counter of theirs with the last one. O(n) for a sweep, nothing in between.
 */
export class IdleOrder<T> {
  readonly #activity: (member: T) => number
  /** A Map iterates in the order of insertion, which is the order we want. */
  readonly #seen = new Map<T, Seen>()
  #sweeps = 0

  /** @param activity a number that changes whenever the member is active */
  constructor(activity: (member: T) => number) {
    this.#activity = activity
  }

  get size(): number {
    return this.#seen.size
  }

  /** Makes the order that of `members`: new ones and those that were active go to the end, others are forgotten. */
  sweep(members: Iterable<T>): void {
    const seen = this.#seen
    const sweep = ++this.#sweeps
    let count = 0
    for (const member of members) {
      const activity = this.#activity(member)
      const known = seen.get(member)
      count += known?.sweep === sweep ? 0 : 1
      if (known === undefined) {
        seen.set(member, { activity, sweep })
        continue
      }
      known.sweep = sweep
      if (known.activity === activity) continue
      known.activity = activity
      seen.delete(member)
      seen.set(member, known)
    }
    if (count === seen.size) return
    for (const [member, known] of seen) if (known.sweep !== sweep) seen.delete(member)
  }

  /** The `count` members that have been idle for longest. */
  first(count: number): T[] {
    const found: T[] = []
    if (count <= 0) return found
    for (const member of this.#seen.keys()) {
      found.push(member)
      if (found.length >= count) break
    }
    return found
  }
}

/** What was seen of a member: its counter, and in which sweep. */
interface Seen {
  activity: number
  sweep: number
}
