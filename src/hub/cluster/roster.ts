import { type Page, PagedSet } from './paged-set.ts'

/**
 * Who is present in a room: users with the number of their devices over all nodes. A user whose last device went stays
 * for the grace, so that one who connects again neither goes nor comes. Decides only: has no clock and tells nobody.
 */
export class Roster {
  readonly #grace: number
  readonly #devices = new Map<string, number>()
  /** Users without devices and when that grace ends, in that order. */
  readonly #going = new Map<string, number>()
  readonly #listed = new PagedSet()

  /** @param grace milliseconds */
  constructor(grace: number) {
    this.#grace = grace
  }

  /** Users who are present, those in their grace included. */
  get size(): number {
    return this.#listed.size
  }

  /** When the next user has been gone for long enough; null when nobody is going. */
  get nextEnd(): number | null {
    for (const end of this.#going.values()) return end
    return null
  }

  has(user: string): boolean {
    return this.#listed.has(user)
  }

  devices(user: string): number {
    return this.#devices.get(user) ?? 0
  }

  page(cursor: number, limit: number): Page<string> {
    return this.#listed.page(cursor, limit)
  }

  /**
   * `by` devices more, or less when negative.
   * @returns whether the user has joined
   */
  change(user: string, by: number, now: number): boolean {
    const before = this.devices(user)
    const after = before + by
    if (after > 0) {
      this.#devices.set(user, after)
      if (before > 0) return false
      if (this.#going.delete(user)) return false
      this.#listed.add(user)
      return true
    }
    this.#devices.delete(user)
    // To the end of the queue, where the latest belongs.
    if (before > 0) this.#going.set(user, now + this.#grace)
    return false
  }

  /** Lets go those whose grace is over. */
  expire(now: number): readonly string[] {
    const left: string[] = []
    for (const [user, end] of this.#going) {
      if (end > now) break
      this.#going.delete(user)
      this.#listed.delete(user)
      left.push(user)
    }
    return left
  }
}
