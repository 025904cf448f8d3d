import { expect, test } from 'vitest'
import { backoff } from './backoff.ts'

test('the longest wait doubles up to the limit, and anything below it may be drawn', () => {
  expect([0, 1, 2, 10, 1e6].map((attempt) => backoff(attempt, 50, 5000, 0.5))).toEqual([
    25, 50, 100, 2500, 2500,
  ])
  expect(backoff(3, 50, 5000, 0)).toBe(0)
})
