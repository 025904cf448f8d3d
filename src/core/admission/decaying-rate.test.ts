import { expect, test } from 'vitest'
import { DecayingRate } from './decaying-rate.ts'

test('it comes to tell what happens per second, and forgets', () => {
  const rate = new DecayingRate(2000)
  expect(rate.perSecond(0)).toBe(0)
  for (let now = 0; now < 20_000; now += 5) rate.count(now)
  expect(Math.abs(rate.perSecond(20_000) - 200)).toBeLessThan(2)
  expect(Math.abs(rate.perSecond(22_000) - 200 / Math.E)).toBeLessThan(2)
  expect(rate.perSecond(100_000)).toBeLessThan(0.001)
  // A clock that was set back changes nothing.
  expect(rate.perSecond(0)).toBeLessThan(0.001)
})
