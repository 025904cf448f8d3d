import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { roundRobin } from '../../core/balancing/round-robin.ts'
import { RetryBudget } from '../../core/retry-budget.ts'
import { Secret } from '../../core/secret.ts'
import { Backend } from '../backend.ts'
import { makeChooser } from '../chooser.ts'
import { machine } from '../environment.ts'
import type { PolicyConfig } from '../policy-options.ts'
import { Pool } from '../pool.ts'
import { PoolHealth } from './pool-health.ts'

const retries = { rules: { attempts: 0, total: 0, budget: 0, minPerSecond: 0 }, budget: new RetryBudget() }
const rules = {
  ejection: { failures: 5, time: 30_000, maxTime: 300_000, maxShare: 50, earlyClose: 1000 },
  slowStart: { window: 30_000, from: 10 },
  panic: 50,
}

function makePool(weights: readonly number[], panic = 50) {
  const clock = { now: 0 }
  const backends = weights.map((_, index) => {
    const backend = new Backend(`b${index}:1`, { kind: 'tcp', host: 'b', port: 1 })
    backend.health.rules = rules
    return backend
  })
  const records = backends.map(({ health }) => health)
  const health = new PoolHealth('main', backends, weights, { ...rules, panic }, () => clock.now)
  const policy = roundRobin(weights)
  const chooser = {
    forRequests: policy,
    forUpgrades: policy,
    keyOf: () => 0,
    affinity: 'none',
    cookie: null,
  } as const
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

const down = { status: 'down', streak: 0 } as const

describe('slow start', () => {
  test('a backend that returned gets part of its share, and the others share the rest evenly', () => {
    const { records, shares, clock } = makePool([1, 1, 1])
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
  })

  test('one that has its whole share is not run over while all others return', () => {
    const { records, shares } = makePool(new Array(100).fill(1))
    for (const record of records.slice(1)) record.slowSince = 0
    // Weight 1 among 99 of 0.1.
    const [old] = shares(20_000)
    expect(old).toBeGreaterThan((20_000 / 10.9) * 0.8)
    expect(old).toBeLessThan((20_000 / 10.9) * 1.2)
  })

  test('when everybody is new nobody is refused', () => {
    const { records, shares } = makePool([1, 1])
    for (const record of records) record.slowSince = 0
    expect(shares(10)).toEqual([5, 5])
  })

  test('those who have grown as far as anybody are behind nobody: none is refused in any pick', () => {
    const { records, health, clock } = makePool(new Array(50).fill(1))
    for (const record of records) record.slowSince = 0
    clock.now = 10_000
    const shares = health.shares()
    for (let pick = 0; pick < 500; pick++) {
      health.begin(shares, 'none', 0)
      expect(health.accepts(pick % 3)).toBe(true)
      health.picked(pick % 3)
    }
  })

  test('the answer about a backend is the same throughout a pick', () => {
    const { records, health } = makePool([1, 1])
    for (const record of records) record.slowSince = 0
    const shares = health.shares()
    for (let pick = 0; pick < 40; pick++) {
      health.begin(shares, 'none', 0)
      const answers = [health.accepts(0), health.accepts(1)]
      expect([health.accepts(0), health.accepts(1)]).toEqual(answers)
      health.picked(pick % 3 === 0 ? 0 : 1)
    }
  })
})

describe('slow start, whatever the policy', () => {
  const policies: PolicyConfig[] = [
    'round-robin',
    'least-connections',
    'power-of-two',
    'random',
    'peak-ewma',
    { hash: { kind: 'header', name: 'x' }, bound: Number.POSITIVE_INFINITY },
    { sticky: { secret: new Secret('a secret of a test'), otherwise: 'least-connections' } },
  ]

  /** Twenty backends that carry a hundred tunnels each, and one of them is back, and empty. */
  function crowd(config: PolicyConfig, elapsed: number) {
    const weights = new Array<number>(20).fill(1)
    const backends = weights.map((_, index) => {
      const backend = new Backend(`b${index}:1`, { kind: 'tcp', host: 'b', port: 1 })
      backend.health.rules = rules
      backend.handshakes.observe(1, performance.now())
      for (let i = 0; i < 100 && index > 0; i++) backend.tunnelOpened()
      return backend
    })
    const back = backends[0] as Backend
    back.health.slowSince = 0
    const health = new PoolHealth('main', backends, weights, rules, () => elapsed)
    const chooser = makeChooser(config, 'main', backends, weights, machine)
    const pool = new Pool('main', backends, weights, chooser, health, retries)
    const pick = (key: number) => pool.pick(chooser.forUpgrades, key, null) as Backend
    return { pick, back, backends }
  }

  const cases = policies.flatMap((policy) => [3000, 15_000].map((elapsed) => [policy, elapsed] as const))
  test.each(cases)('%j after %i ms: it gets what has grown of its share', (policy, elapsed) => {
    const { pick, back, backends } = crowd(policy, elapsed)
    const picks = 3000
    let got = 0
    for (let i = 0; i < picks; i++) {
      const picked = pick(typeof policy === 'object' && 'hash' in policy ? Math.imul(i, 0x9e3779b1) : -1)
      if (picked === back) got++
      picked.tunnelOpened()
      // Others leave.
      const leaving = backends[1 + (i % 19)] as Backend
      if (leaving.connections > 0) leaving.tunnelClosed()
    }
    const factor = 0.1 + 0.9 * (elapsed / 30_000)
    const due = (picks * factor) / (19 + factor)
    expect(got).toBeGreaterThan(due * 0.6)
    expect(got).toBeLessThan(due * 1.4)
  })

  test('a client that is pinned comes back to it at once, each time', () => {
    const { pick, back } = crowd(policies.at(-1) as PolicyConfig, 0)
    for (let i = 0; i < 100; i++) expect(pick(0)).toBe(back)
    // And takes no turns from those who come without a pin.
    expect(pick(-1)).toBe(back)
  })

  test('a hash gives it more and more of its keys, and always the same', () => {
    const hash = policies.at(-2) as PolicyConfig
    const keys = Array.from({ length: 5000 }, (_, i) => Math.imul(i, 0x9e3779b1))
    const grown = [0, 5000, 15_000, 29_000, 30_000].map((elapsed) => {
      const { pick, back } = crowd(hash, elapsed)
      const its = () => keys.filter((key) => pick(key) === back)
      const first = its()
      expect(its()).toEqual(first)
      return new Set(first)
    })
    for (const [step, keysOfStep] of grown.entries()) {
      const before = grown[step - 1] ?? new Set()
      expect(keysOfStep.size).toBeGreaterThan(before.size)
      expect([...before].filter((key) => !keysOfStep.has(key as number))).toEqual([])
    }
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
        const { pick, records, health, backends } = makePool(weights, panic)
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
        const { pick, records } = makePool(new Array(count).fill(1))
        for (const record of records.slice(0, slow)) record.slowSince = 0
        const tried: Backend[] = []
        for (let next = pick(tried); next !== null; next = pick(tried)) tried.push(next)
        expect(new Set(tried).size).toBe(count)
      }),
    )
  })

  test('weights of zero neither start nor prevent a panic', () => {
    const { records, health } = makePool([1, 0, 0, 0, 1])
    for (const index of [1, 2, 3]) (records[index] as (typeof records)[0]).probe = down
    expect(health.recount()).toBe(false)
    ;(records[0] as (typeof records)[0]).probe = down
    expect(health.recount()).toBe(false)
    ;(records[4] as (typeof records)[0]).probe = down
    expect(health.recount()).toBe(true)
    expect(health.panic).toBe(true)
  })
})
