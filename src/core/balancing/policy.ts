/** Prefers among the backends of a pool, which it knows by index only. */
export interface Policy {
  /**
   * Proposes backends in order of preference, each at most once, until `accept` says yes, and returns that one;
   * -1 when it says no to all. Eligibility (state, health, caps, what was tried already) is the caller's.
   *
   * A backend that is accepted counts as used. One that is refused MUST NOT be favoured later to make up for it.
   * Backends of weight 0 are never proposed. Nothing is allocated.
   * @param accept must not call `pick` of the same policy
   */
  pick(accept: (index: number) => boolean): number
}
