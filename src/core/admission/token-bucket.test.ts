import fc from 'fast-check'
import { expect, test } from 'vitest'
import { TokenBucket } from './token-bucket.ts'

const rules = fc.record({
  perSecond: fc.oneof(
    fc.integer({ min: 1, max: 5000 }),
    fc.double({ min: 0.01, max: 50, noNaN: true, noDefaultInfinity: true }),
  ),
  burst: fc.integer({ min: 1, max: 50 }),
})

/** Milliseconds between two attempts. */
const gaps = fc.array(fc.oneof(fc.constant(0), fc.double({ min: 0, max: 500, noNaN: true })), {
  minLength: 1,
  maxLength: 200,
})

/** Sums of fractions are off by less than this much of a token. */
const rounding = 1e-6

test('no window of t seconds lets more than burst + rate * t pass', () => {
  fc.assert(
    fc.property(rules, gaps, fc.double({ min: -1e9, max: 1e9, noNaN: true }), (rule, steps, start) => {
      const bucket = new TokenBucket(rule)
      const passed: number[] = []
      let now = start
      for (const step of steps) {
        now += step
        if (bucket.take(now)) passed.push(now)
      }
      for (let from = 0; from < passed.length; from++) {
        for (let to = from; to < passed.length; to++) {
          const seconds = ((passed[to] as number) - (passed[from] as number)) / 1000
          expect(to - from + 1).toBeLessThanOrEqual(rule.burst + rule.perSecond * seconds + rounding)
        }
      }
    }),
  )
})

test('who waits as long as it is told gets a token, and not a moment before', () => {
  fc.assert(
    fc.property(rules, gaps, (rule, steps) => {
      const bucket = new TokenBucket(rule)
      let now = 0
      for (const step of steps) {
        now += step
        const wait = bucket.wait(now)
        expect(wait).toBeGreaterThanOrEqual(0)
        expect(wait).toBeLessThanOrEqual(1000 / rule.perSecond + rounding)
        if (wait > 2 * rounding) expect(bucket.take(now + wait - 2 * rounding)).toBe(false)
        now += wait + rounding
        expect(bucket.take(now)).toBe(true)
      }
    }),
  )
})

test('whoever asks all the time gets the whole rate', () => {
  const bucket = new TokenBucket({ perSecond: 400, burst: 3 })
  let passed = 0
  for (let now = 0; now < 10_000; now++) if (bucket.take(now)) passed++
  expect(passed).toBe(4002)
})

test('after a pause a whole burst passes at once, and no more', () => {
  const bucket = new TokenBucket({ perSecond: 10, burst: 5 })
  const burst = (now: number) => Array.from({ length: 9 }, () => bucket.take(now)).filter(Boolean).length
  expect(burst(0)).toBe(5)
  expect(bucket.full(499)).toBe(false)
  expect(bucket.full(500)).toBe(true)
  expect(burst(60_000)).toBe(5)
})

test('a clock that jumps, in either direction, makes nobody wait longer than one token takes', () => {
  const jumps = fc.array(fc.double({ min: -1e12, max: 1e12, noNaN: true }), { minLength: 1, maxLength: 50 })
  fc.assert(
    fc.property(rules, jumps, (rule, moments) => {
      const bucket = new TokenBucket(rule)
      for (const now of moments) {
        let passed = 0
        while (bucket.take(now)) passed++
        expect(passed).toBeLessThanOrEqual(rule.burst)
        const interval = 1000 / rule.perSecond
        expect(bucket.wait(now)).toBeLessThanOrEqual(interval)
        // A microsecond more, since so far from zero a clock has no finer steps.
        expect(bucket.take(now + interval + 1e-3)).toBe(true)
      }
    }),
  )
})

test('a new rule counts at once and forgives nothing but what exceeds its bucket', () => {
  const bucket = new TokenBucket({ perSecond: 1, burst: 100 })
  for (let index = 0; index < 100; index++) expect(bucket.take(0)).toBe(true)
  bucket.rule = { perSecond: 10, burst: 2 }
  expect(bucket.take(0)).toBe(false)
  expect(bucket.wait(0)).toBe(100)
  expect(bucket.take(100)).toBe(true)
  expect(bucket.take(150)).toBe(false)
  expect(bucket.take(200)).toBe(true)
})
