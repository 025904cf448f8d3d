import { expect, test } from 'vitest'
import { retryAfterSeconds } from './retry-after.ts'

const spread = (expected: number) =>
  Array.from({ length: 1000 }, (_, index) => retryAfterSeconds(expected, index / 1000))

test('nobody returns before it is likely to help, and nobody has to wait for ever', () => {
  for (const expected of [0, 1, 999, 1000, 4321, 60_000, 1e9, Number.POSITIVE_INFINITY]) {
    const all = spread(expected)
    expect(Math.min(...all)).toBeGreaterThanOrEqual(Math.min(Math.max(1, Math.ceil(expected / 1000)), 40))
    expect(Math.max(...all)).toBeLessThanOrEqual(123)
    expect(all.every(Number.isInteger)).toBe(true)
  }
})

test('those who were refused together return spread evenly over at least five seconds', () => {
  for (const [expected, values] of [
    [0, 5],
    [10_000, 23],
  ] as const) {
    const counts = new Map<number, number>()
    for (const value of spread(expected)) counts.set(value, (counts.get(value) ?? 0) + 1)
    expect(counts.size).toBe(values)
    for (const count of counts.values()) expect(Math.abs(count - 1000 / values)).toBeLessThanOrEqual(2)
  }
})
