import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { roundRobin } from '../../core/balancing/round-robin.ts'
import { RetryBudget } from '../../core/retry-budget.ts'
import { Backend } from '../backend.ts'
import { Pool } from '../pool.ts'
import { PoolHealth } from './pool-health.ts'

const rules = {
  ejection: { failures: 5, time: 30_000, maxTime: 300_000, maxShare: 50, earlyClose: 1000 },
  slowStart: { window: 30_000, from: 10 },
  panic: 50,
}

function makePool(weights: readonly number[], random: () => number, panic = 50) {
  const clock = { now: 0 }
  const backends = weights.map((_, index) => {
    const backend = new Backend(`b${index}:1`, { kind: 'tcp', host: 'b', port: 1 })
    backend.health.rules = rules
    return backend
  })
  const records = backends.map(({ health }) => health)
  const health = new PoolHealth('main', backends, weights, { ...rules, panic }, () => clock.now, random)
  const policy = roundRobin(weights)
  const chooser = { forRequests: policy, forUpgrades: policy, keyOf: () => 0, cookie: null }
  const retries = { rules: { attempts: 0, total: 0, budget: 0, minPerSecond: 0 }, budget: new RetryBudget() }
  const pool = new Pool('main', backends, weights, chooser, health, retries)
  const pick = (tried: readonly Backend[] | null = null) => pool.pick(policy, 0, tried)
  /** Picks so many times; how often each was picked. */
  const shares = (picks: number): number[] => {
    const counts = weights.map(() => 0)
    for (let i = 0; i < picks; i++) {
      const index = backends.indexOf(pick() as Backend)
      counts[index] = (counts[index] as number) + 1
    }
    return counts
  }
  return { pick, backends, records, health, clock, shares }
}

/** The same random numbers in each run. */
function seeded(): () => number {
  let state = 1
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    return state / 2 ** 32
  }
}

const down = { status: 'down', streak: 0 } as const

describe('slow start', () => {
  test('a backend that returned gets part of its share, and the others share the rest evenly', () => {
    const { records, shares, clock } = makePool([1, 1, 1], seeded())
    const [slow] = records as [(typeof records)[0]]
    slow.slowSince = 0
    // As if its weight were 0.1, then 0.55.
    const early = shares(21_000)
    expect(Math.abs((early[0] as number) - 1000)).toBeLessThan(100)
    expect(Math.abs((early[1] as number) - (early[2] as number))).toBeLessThan(100)
    clock.now = 15_000
    const later = shares(25_500)
    expect(Math.abs((later[0] as number) - 5500)).toBeLessThan(200)
    expect(Math.abs((later[1] as number) - (later[2] as number))).toBeLessThan(200)
    clock.now = 30_000
    expect(shares(300)).toEqual([100, 100, 100])
    expect(slow.slowSince).toBeNull()
  })

  test('one that has its whole share is not run over while all others return', () => {
    const { records, shares } = makePool(new Array(100).fill(1), seeded())
    for (const record of records.slice(1)) record.slowSince = 0
    // Weight 1 among 99 of 0.1.
    const [old] = shares(20_000)
    expect(old).toBeGreaterThan((20_000 / 10.9) * 0.8)
    expect(old).toBeLessThan((20_000 / 10.9) * 1.2)
  })

  test('when everybody is new nobody is refused', () => {
    const { records, shares } = makePool([1, 1], () => 0.999)
    for (const record of records) record.slowSince = 0
    expect(shares(10)).toEqual([5, 5])
  })

  test('the answer about a backend is the same throughout a pick', () => {
    let draws = 0
    const { records, health } = makePool([1, 1], () => (draws++ % 2 === 0 ? 0.05 : 0.95))
    for (const record of records) record.slowSince = 0
    for (let pick = 0; pick < 4; pick++) {
      health.begin()
      const answers = [health.accepts(0), health.accepts(1)]
      expect([health.accepts(0), health.accepts(1)]).toEqual(answers)
    }
    expect(draws).toBe(4)
  })
})

describe('eligibility', () => {
  const weighted = fc.array(fc.integer({ min: 0, max: 4 }), { minLength: 1, maxLength: 12 })

  test('whatever the states, who is not available is never picked unless the pool panics', () => {
    const states = fc.array(fc.record({ down: fc.boolean(), ejected: fc.boolean(), slow: fc.boolean() }), {
      minLength: 12,
      maxLength: 12,
    })
    fc.assert(
      fc.property(weighted, states, fc.integer({ min: 0, max: 100 }), (weights, all, panic) => {
        const { pick, records, health, backends } = makePool(weights, Math.random, panic)
        for (const [index, record] of records.entries()) {
          if (all[index]?.down) record.probe = down
          if (all[index]?.ejected) record.ejectedUntil = 1
          if (all[index]?.slow) record.slowSince = 0
        }
        health.recount()
        const serving = backends.filter(
          (backend, index) => (weights[index] as number) > 0 && (health.panic || backend.health.available),
        )
        const counted = records.filter((_, index) => (weights[index] as number) > 0)
        const available = counted.filter((record) => record.available).length
        expect(health.panic).toBe(available * 100 < panic * counted.length)
        for (let i = 0; i < 10; i++) {
          const picked = pick()
          if (serving.length === 0) expect(picked).toBeNull()
          else expect(serving).toContain(picked)
        }
      }),
    )
  })

  test('each retry gets another backend until all that may serve were tried, slow ones included', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 8 }), fc.integer({ min: 0, max: 8 }), (count, slow) => {
        const { pick, records } = makePool(new Array(count).fill(1), Math.random)
        for (const record of records.slice(0, slow)) record.slowSince = 0
        const tried: Backend[] = []
        for (let next = pick(tried); next !== null; next = pick(tried)) tried.push(next)
        expect(new Set(tried).size).toBe(count)
      }),
    )
  })

  test('weights of zero neither start nor prevent a panic', () => {
    const { records, health } = makePool([1, 0, 0, 0, 1], Math.random)
    for (const index of [1, 2, 3]) (records[index] as (typeof records)[0]).probe = down
    expect(health.recount()).toBe(false)
    ;(records[0] as (typeof records)[0]).probe = down
    expect(health.recount()).toBe(false)
    ;(records[4] as (typeof records)[0]).probe = down
    expect(health.recount()).toBe(true)
    expect(health.panic).toBe(true)
  })
})
