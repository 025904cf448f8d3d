import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { inPanic } from './panic.ts'

describe('inPanic', () => {
  test('half of the backends are enough at 50 percent, fewer are not', () => {
    expect(inPanic(1, 2, 50)).toBe(false)
    expect(inPanic(1, 3, 50)).toBe(true)
    expect(inPanic(0, 1, 50)).toBe(true)
  })

  test('a pool without backends does not panic, and with 0 percent none does', () => {
    expect(inPanic(0, 0, 50)).toBe(false)
    expect(inPanic(0, 10, 0)).toBe(false)
  })

  test('one more that is available never starts a panic', () => {
    const percent = fc.integer({ min: 0, max: 100 })
    fc.assert(
      fc.property(fc.nat({ max: 1000 }), fc.nat({ max: 1000 }), percent, (available, more, threshold) => {
        const total = available + more + 1
        if (!inPanic(available, total, threshold))
          expect(inPanic(available + 1, total, threshold)).toBe(false)
      }),
    )
  })
})
