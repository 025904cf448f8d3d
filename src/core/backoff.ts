/**
 * How long to wait before the next attempt: anything up to `first` doubled with every attempt, `most` at most. Full
 * jitter, so that those who lost the same server do not come back together.
 * @param attempt 0 for the first
 * @param random from 0 to below 1
 */
export function backoff(attempt: number, first: number, most: number, random: number): number {
  return random * Math.min(most, first * 2 ** Math.min(attempt, 30))
}
