import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { RetryBudget } from './retry-budget.ts'

const rules = fc.record({ budget: fc.integer({ min: 0, max: 100 }), minPerSecond: fc.nat({ max: 20 }) })

/** Requests, and tries to retry, at one moment after another. */
const traffic = fc.array(
  fc.record({
    after: fc.integer({ min: 1, max: 4000 }),
    requests: fc.nat({ max: 60 }),
    tries: fc.nat({ max: 150 }),
  }),
  { maxLength: 60 },
)

/** What a budget gave, moment by moment. */
function play(rule: { budget: number; minPerSecond: number }, moments: readonly Moment[], from = 0) {
  const budget = new RetryBudget()
  let now = from
  return moments.map(({ after, requests, tries }) => {
    now += after
    for (let i = 0; i < requests; i++) budget.request(now)
    let granted = 0
    for (let i = 0; i < tries; i++) if (budget.take(now, rule)) granted++
    return { now, requests, tries, granted }
  })
}

type Moment = { readonly after: number; readonly requests: number; readonly tries: number }

/** The sum over the moments of the `length` milliseconds up to `until`. */
function sum<Kind extends string>(
  moments: readonly (Record<Kind, number> & { readonly now: number })[],
  kind: Kind,
  until: number,
  length: number,
): number {
  const within = moments.filter(({ now }) => now > until - length && now <= until)
  return within.reduce((total, moment) => total + moment[kind], 0)
}

describe('RetryBudget', () => {
  test('never allows more in 10 seconds than the share of the requests and the minimum together', () => {
    fc.assert(
      fc.property(rules, traffic, fc.nat({ max: 1e9 }), (rule, moments, from) => {
        const played = play(rule, moments, from)
        for (const { now, granted } of played) {
          if (granted === 0) continue
          const allowed = (sum(played, 'requests', now, 10_000) * rule.budget) / 100 + rule.minPerSecond * 10
          expect(sum(played, 'granted', now, 10_000)).toBeLessThanOrEqual(allowed)
        }
      }),
    )
  })

  test('denies nothing that stays within both, counted over a second less and a second more', () => {
    fc.assert(
      fc.property(rules, traffic, (rule, moments) => {
        const played = play(rule, moments)
        for (const { now, granted, tries } of played) {
          if (granted === tries) continue
          const allowed = (sum(played, 'requests', now, 9000) * rule.budget) / 100 + rule.minPerSecond * 10
          expect(sum(played, 'granted', now, 11_000) + 1).toBeGreaterThan(allowed)
        }
      }),
    )
  })

  test('a site where nothing else happens can still retry, so many times a second', () => {
    const budget = new RetryBudget()
    const rule = { budget: 20, minPerSecond: 2 }
    const granted = Array.from({ length: 60 }, (_, second) => {
      let count = 0
      while (budget.take(second * 1000, rule)) count++
      return count
    })
    expect(granted.slice(0, 10)).toEqual([20, 0, 0, 0, 0, 0, 0, 0, 0, 0])
    expect(granted.reduce((total, count) => total + count)).toBeLessThanOrEqual(120)
  })

  test('an outage costs the share and no more, however long it lasts', () => {
    const budget = new RetryBudget()
    const rule = { budget: 20, minPerSecond: 0 }
    let retries = 0
    for (let now = 0; now < 60_000; now++) {
      budget.request(now)
      if (budget.take(now, rule)) retries++
    }
    expect(retries).toBeLessThanOrEqual(12_000)
    expect(retries).toBeGreaterThan(10_000)
    expect(budget).toMatchObject({ granted: retries, denied: 60_000 - retries })
  })

  test('forgets everything after a pause, whatever its length', () => {
    fc.assert(
      fc.property(fc.integer({ min: 11_000, max: 1e12 }), (pause) => {
        const budget = new RetryBudget()
        const rule = { budget: 100, minPerSecond: 0 }
        for (let i = 0; i < 50; i++) budget.request(500)
        for (let i = 0; i < 20; i++) expect(budget.take(500, rule)).toBe(true)
        expect(budget.take(500 + pause, rule)).toBe(false)
        budget.request(500 + pause)
        expect(budget.take(500 + pause, rule)).toBe(true)
        expect(budget.take(500 + pause, rule)).toBe(false)
      }),
    )
  })
})
