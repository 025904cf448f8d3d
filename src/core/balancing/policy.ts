/** Prefers among the backends of a pool, which it knows by index only. */
export interface Policy {
  /**
   * Asks `accept` about backends in order of preference and returns one that it said yes to; -1 when it says no
   * to all. Eligibility (state, health, caps, what was tried already) is the caller's.
   *
   * The backend that is returned counts as used. One that is refused MUST NOT be favoured later to make up for
   * it. Backends of weight 0 are never asked about. Nothing is allocated.
   *
   * @param accept only a question: it gives the same answer throughout a pick, a yes commits to nothing (whoever
   *   compares two backends asks about both), and it must not call `pick` of the same policy
   * @param key what the request says about its backend, for the policies that look at it: 32 bits of hash, or
   *   the index of a pinned backend
   */
  pick(accept: (index: number) => boolean, key?: number): number

  /** Must be told whenever the load of a backend has changed, if it is there. */
  loadChanged?(index: number): void
}

/**
 * What a backend carries at this moment: its live tunnels and what is under way to it. Owned by whoever counts,
 * so it outlives every policy that reads it.
 */
export type LoadOf = (index: number) => number

/** From 0 to below 1, as `Math.random`. */
export type Random = () => number
