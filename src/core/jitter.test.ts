import { expect, test } from 'vitest'
import { jitter } from './jitter.ts'

test('a jittered value is within 10 % of the given one', () => {
  expect([jitter(1000, 0), jitter(1000, 0.5), jitter(1000, 1)]).toEqual([900, 1000, 1100])
})
