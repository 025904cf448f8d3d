/**
 * Keeps members in the order in which they were last active, the longest idle first, without a clock and without
 * being told: each sweep compares a counter of theirs with the last one. O(n) for a sweep, nothing in between.
 */
export class IdleOrder<T> {
  readonly #activity: (member: T) => number
  /** The counter at the last sweep; a Map iterates in the order of insertion, which is the order we want. */
  readonly #seen = new Map<T, number>()

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
    const gone = new Set(seen.keys())
    for (const member of members) {
      gone.delete(member)
      const activity = this.#activity(member)
      if (seen.get(member) === activity) continue
      seen.delete(member)
      seen.set(member, activity)
    }
    for (const member of gone) seen.delete(member)
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
