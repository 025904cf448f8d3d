import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { slowStartFactor } from './slow-start.ts'

const rule = { window: 30_000, from: 10 }

describe('slowStartFactor', () => {
  test('grows evenly from 10 percent to all within the window', () => {
    expect(slowStartFactor(1000, 1000, rule)).toBeCloseTo(0.1)
    expect(slowStartFactor(16_000, 1000, rule)).toBeCloseTo(0.55)
    expect(slowStartFactor(31_000, 1000, rule)).toBe(1)
    expect(slowStartFactor(1e9, 1000, rule)).toBe(1)
  })

  test('never leaves its bounds and never shrinks', () => {
    const times = [fc.double({ min: 0, max: 1e6, noNaN: true }), fc.double({ min: 0, max: 1e6, noNaN: true })]
    const from = fc.integer({ min: 1, max: 100 })
    fc.assert(
      fc.property(...(times as [(typeof times)[0], (typeof times)[0]]), from, (since, age, percent) => {
        const by = { window: 30_000, from: percent }
        const factor = slowStartFactor(since + age, since, by)
        expect(factor).toBeGreaterThanOrEqual(percent / 100)
        expect(factor).toBeLessThanOrEqual(1 + Number.EPSILON)
        expect(slowStartFactor(since + age + 1, since, by)).toBeGreaterThanOrEqual(factor)
      }),
    )
  })
})
