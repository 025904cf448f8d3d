/** Nobody is sent away for longer, in seconds. */
const longest = 120

/** Added to every span, in seconds: also those who are refused when little waits must not return together. */
const leastSpread = 4

/**
 * Whole seconds for `Retry-After`: not before it is likely to help, and spread over twice as long again, so that those
 * who were refused together do not return together.
 * @param expected milliseconds until it is likely to help; 0 when nothing is known
 * @param random from 0 to below 1
 */
export function retryAfterSeconds(expected: number, random: number): number {
  const base = Math.min(Math.max(1, Math.ceil(expected / 1000)), longest / 3)
  return Math.round(base + Math.floor(random * (2 * base + leastSpread - 1)))
}
