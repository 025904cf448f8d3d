import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  blameless,
  eject,
  failed,
  isOutlier,
  mayEject,
  type OutlierState,
  readmit,
  succeeded,
} from './outlier.ts'

const rule = { failures: 5, time: 30_000, maxTime: 300_000 }

function failing(times: number, state: OutlierState = blameless): OutlierState {
  let next = state
  for (let i = 0; i < times; i++) next = failed(next, rule)
  return next
}

describe('failures in a row', () => {
  test('five make an outlier, four do not', () => {
    expect(isOutlier(failing(4), rule)).toBe(false)
    expect(isOutlier(failing(5), rule)).toBe(true)
  })

  test('one success in between and the row starts anew', () => {
    expect(isOutlier(failing(4, succeeded(failing(4))), rule)).toBe(false)
  })

  test('a success after a success allocates nothing', () => {
    expect(succeeded(blameless)).toBe(blameless)
  })

  test('zero failures as rule means never', () => {
    const never = { ...rule, failures: 0 }
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 100 }), (times) => {
        let state = blameless
        for (let i = 0; i < times; i++) state = failed(state, never)
        expect(isOutlier(state, never)).toBe(false)
      }),
    )
  })
})

describe('the time of an ejection', () => {
  test('grows by the first one each time, up to the longest', () => {
    let state = blameless
    let now = 1000
    const times: number[] = []
    for (let i = 0; i < 12; i++) {
      state = eject(state, now, rule)
      times.push((state.until - now) / 1000)
      now = state.until
    }
    expect(times).toEqual([30, 60, 90, 120, 150, 180, 210, 240, 270, 300, 300, 300])
  })

  test('one ejection is forgiven for each `time` of service', () => {
    const third = eject(eject(eject(blameless, 0, rule), 30_000, rule), 90_000, rule)
    expect(third.ejections).toBe(3)
    expect(eject(third, third.until + 29_999, rule).ejections).toBe(4)
    expect(eject(third, third.until + 30_000, rule).ejections).toBe(3)
    expect(eject(third, third.until + 1_000_000, rule).ejections).toBe(1)
  })

  test('is always between the first and the longest, and the record stays bounded', () => {
    const rules = fc.record({
      failures: fc.constant(5),
      time: fc.integer({ min: 1, max: 100_000 }),
      maxTime: fc.integer({ min: 100_000, max: 1_000_000 }),
    })
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 0, max: 1_000_000 })), rules, (pauses, by) => {
        let state = blameless
        let now = 0
        for (const pause of pauses) {
          now = Math.max(now, state.until) + pause
          state = eject(state, now, by)
          expect(state.until - now).toBeGreaterThanOrEqual(by.time)
          expect(state.until - now).toBeLessThanOrEqual(by.maxTime)
          expect(state.ejections).toBeLessThanOrEqual(Math.ceil(by.maxTime / by.time))
          expect(state.failures).toBe(0)
        }
      }),
    )
  })
})

describe('a backend that is taken back before its time', () => {
  test('is forgiven for the time that it serves from then on, not from when it would have returned', () => {
    const twice = eject(eject(blameless, 0, rule), 30_000, rule)
    expect(twice).toMatchObject({ ejections: 2, until: 90_000 })
    const back = readmit(twice, 40_000)
    expect(eject(back, 69_999, rule).ejections).toBe(3)
    expect(eject(back, 70_000, rule).ejections).toBe(2)
    expect(readmit(back, 50_000).until).toBe(40_000)
  })
})

describe('the share that may be ejected', () => {
  test('one always may; of ten at 50 percent five may', () => {
    expect(mayEject(0, 1, 50)).toBe(true)
    expect(mayEject(1, 2, 50)).toBe(false)
    expect(mayEject(4, 10, 50)).toBe(true)
    expect(mayEject(5, 10, 50)).toBe(false)
  })

  test('never more than one or the share, in any order', () => {
    const sizes = [fc.integer({ min: 1, max: 200 }), fc.integer({ min: 0, max: 100 })] as const
    fc.assert(
      fc.property(...sizes, (total, maxShare) => {
        let ejected = 0
        while (ejected < total && mayEject(ejected, total, maxShare)) ejected++
        expect(ejected).toBe(Math.max(1, Math.floor((total * maxShare) / 100)))
      }),
    )
  })
})
