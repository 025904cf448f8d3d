import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { DrainPace } from './drain-pace.ts'

/** Steps of a clock, with whom leaves by itself in each. */
const steps = fc.array(fc.record({ after: fc.integer({ min: 0, max: 5000 }), leave: fc.nat({ max: 20 }) }), {
  maxLength: 200,
})

describe('DrainPace', () => {
  test('at every moment of the window the same share has gone as of the time, to within one', () => {
    fc.assert(
      fc.property(
        fc.nat({ max: 100_000 }),
        fc.integer({ min: 1, max: 600_000 }),
        steps,
        (all, over, times) => {
          const pace = new DrainPace(1000, over)
          let now = 1000
          let gone = 0
          for (const { after } of times) {
            now += after
            gone += pace.due(now, all - gone)
            const ideal = Math.min(1, (now - 1000) / over) * all
            expect(Math.abs(gone - ideal)).toBeLessThan(1 + 1e-6)
          }
          expect(pace.due(1000 + over, all - gone)).toBe(all - gone)
        },
      ),
    )
  })

  test('never sends more than there are, whoever leaves by itself, and is done at the end', () => {
    fc.assert(
      fc.property(
        fc.nat({ max: 2000 }),
        fc.nat({ max: 60_000 }),
        fc.nat({ max: 100 }),
        steps,
        (all, over, least, times) => {
          const pace = new DrainPace(0, over, least)
          let now = 0
          let left = all
          for (const { after, leave } of times) {
            now += after
            left = Math.max(0, left - leave)
            const due = pace.due(now, left)
            expect(Number.isInteger(due) && due >= 0 && due <= left).toBe(true)
            left -= due
          }
          expect(pace.due(Math.max(now, over), left)).toBe(left)
        },
      ),
    )
  })

  test('the rate is computed anew when some leave by themselves', () => {
    const pace = new DrainPace(0, 100_000)
    expect(pace.due(10_000, 1000)).toBe(100)
    // 800 of the 900 leave: 100 over the 90 seconds that are left.
    expect(pace.due(19_000, 100)).toBe(10)
  })

  test('a few go at the least rate instead of taking the whole window', () => {
    const pace = new DrainPace(0, 600_000, 50)
    expect(pace.due(100, 20)).toBe(5)
    expect(pace.due(400, 15)).toBe(15)
  })

  test('those that came late go at once when the window is over', () => {
    const pace = new DrainPace(0, 1000)
    expect(pace.due(1000, 3)).toBe(3)
    expect(pace.due(5000, 2)).toBe(2)
  })

  test('a window of no length lets all go at once', () => {
    expect(new DrainPace(5, 0).due(5, 7)).toBe(7)
  })
})
