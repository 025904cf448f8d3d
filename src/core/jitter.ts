/**
 * A value within 10 % of the given one, so that what began together does not stay together.
 * @param random from 0 to below 1
 */
export function jitter(value: number, random: number): number {
  return value * (0.9 + 0.2 * random)
}
