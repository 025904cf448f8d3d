export interface SlowStartRule {
  /** Milliseconds until a backend has its whole share. */
  readonly window: number
  /** Percent of its share with which it begins; 100 turns slow start off. */
  readonly from: number
}

/**
 * Part of its weight, up to 1, that a backend gets which came or came back at `since`: it grows evenly, and
 * never starts at nothing, or a backend whose caches only requests can fill would stay cold.
 */
export function slowStartFactor(now: number, since: number, rule: SlowStartRule): number {
  const floor = rule.from / 100
  const grown = Math.min(1, Math.max(0, (now - since) / rule.window))
  return floor + (1 - floor) * grown
}
