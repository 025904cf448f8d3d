import { expect, test } from 'vitest'
import { RetryBudget } from '../core/retry-budget.ts'
import { Backend } from './backend.ts'
import { makeChooser } from './chooser.ts'
import { machine } from './environment.ts'
import type { HealthRules } from './health/backend-health.ts'
import { PoolHealth } from './health/pool-health.ts'
import type { PolicyConfig } from './policy-options.ts'
import { Pool } from './pool.ts'

const policies: PolicyConfig[] = [
  'round-robin',
  'least-connections',
  'power-of-two',
  'random',
  'peak-ewma',
  { hash: { kind: 'header', name: 'x-user' }, bound: 1.5 },
]

function poolOf(count: number, policy: PolicyConfig) {
  const backends = Array.from(
    { length: count },
    (_, index) => new Backend(`b${index}:1`, { kind: 'tcp', host: 'b', port: 1 }),
  )
  const weights = backends.map(() => 1)
  const chooser = makeChooser(policy, 'main', backends, weights, machine)
  const rules = { panic: 0, ejection: { maxShare: 50 } }
  const health = new PoolHealth('main', backends, weights, rules, () => 0)
  const retries = {
    rules: { attempts: 2, total: 5000, budget: 20, minPerSecond: 10 },
    budget: new RetryBudget(),
  }
  const pool = new Pool('main', backends, weights, chooser, health, retries)
  const seat = (tried: readonly Backend[] | null = null) =>
    pool.pickSeat(chooser.forUpgrades, 7, tried, performance.now())
  return { pool, backends, seat }
}

test.each(policies)(
  '%j gives the seats that there are, each once, and then says to wait for one',
  (policy) => {
    const { pool, backends, seat } = poolOf(5, policy)
    for (const [index, { seats }] of backends.entries())
      seats.configure({ maxConnections: index, rate: null })
    for (let index = 0; index < 10; index++) {
      const backend = seat()
      if (!(backend instanceof Backend)) throw new Error(`no backend but ${backend}`)
      backend.seats.take(performance.now())
      backend.tunnelOpened()
    }
    expect(backends.map(({ seats }) => seats.used)).toEqual([0, 1, 2, 3, 4])
    expect(seat()).toBe(Number.POSITIVE_INFINITY)
    backends[2]?.seats.free()
    expect(seat()).toBe(backends[2])
    // Those that were tried are not waited for, and neither are those that may not serve.
    for (const backend of backends.slice(0, 4)) backend.ordered = 'disabled'
    expect(seat()).toBe(Number.POSITIVE_INFINITY)
    expect(seat([backends[4] as Backend])).toBe(null)
    expect(pool.hopeless([backends[4] as Backend])).toBe(true)
  },
)

test('whoever only lacks a token is waited for until its next one comes', () => {
  const { backends, seat } = poolOf(3, 'round-robin')
  for (const [index, { seats }] of backends.entries()) {
    seats.configure({ maxConnections: 100, rate: { perSecond: 1 / (index + 1), burst: 1 } })
    seats.take(performance.now())
  }
  const wait = seat() as number
  expect(wait).toBeGreaterThan(500)
  expect(wait).toBeLessThanOrEqual(1000)
})

test('a backend that starts slowly does not get the share of those that have a token soon, but of those that are full', () => {
  const { backends, seat } = poolOf(2, 'round-robin')
  const [old, fresh] = backends as [Backend, Backend]
  fresh.health.rules = { slowStart: { window: 60_000, from: 1 } } as HealthRules
  fresh.health.slowSince = 0
  // Its first turn is at once, the next after a hundred.
  expect([seat(), seat()]).toContain(fresh)
  old.seats.configure({ maxConnections: 100, rate: { perSecond: 1, burst: 1 } })
  expect(seat()).toBe(old)
  old.seats.take(performance.now())
  expect(seat()).toBeGreaterThan(0)
  old.seats.configure({ maxConnections: 1, rate: null })
  expect(seat()).toBe(fresh)
})

test('an upgrade that goes on after a reload never gets a backend that has left', () => {
  const { pool, backends, seat } = poolOf(3, 'round-robin')
  const [gone, full, tried] = backends as [Backend, Backend, Backend]
  gone.present = false
  full.seats.configure({ maxConnections: 0, rate: null })
  expect(seat([tried])).toBe(Number.POSITIVE_INFINITY)
  full.present = false
  expect(seat([tried])).toBe(null)
  expect([pool.hopeless([tried]), pool.hopeless(null), pool.canSpare(tried)]).toEqual([true, false, false])
})
