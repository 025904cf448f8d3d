import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { consistentHash, leastBound } from './consistent-hash.ts'
import { Loads } from './contract/loads.ts'
import { policyContract } from './contract/policy-contract.ts'
import { hashText } from './hash-text.ts'
import { maglevTable } from './maglev-table.ts'
import type { Policy } from './policy.ts'

const names = (count: number): string[] =>
  Array.from({ length: count }, (_, i) => `10.0.${i >> 8}.${i & 255}:80`)
const idle = (): number => 0
const all = (): boolean => true

function unloaded(backends: readonly string[], weights = backends.map(() => 1)): Policy {
  return consistentHash({ names: backends, weights, loadOf: idle, bound: 1.5 })
}

const bounded = (bound: number) => ({
  make: ({ weights, loads }: { weights: readonly number[]; loads: Loads }) =>
    consistentHash({ names: names(weights.length), weights, loadOf: loads.of, bound }),
})

policyContract('a hash with a bound', bounded(1.5))
policyContract('a hash without a bound', bounded(Number.POSITIVE_INFINITY))

test('whoever has a weight has a place, however light it is among heavy ones', () => {
  const weights = [...new Array<number>(300).fill(256), 1, 1, 0]
  const places = maglevTable(names(303), weights)
  expect([300, 301, 302].map((index) => places.filter((place) => place === index).length)).toEqual([1, 1, 0])
})

/** Who gets each of many users. */
function homes(
  policy: Policy,
  backends: readonly string[],
  accept: (index: number) => boolean = all,
): string[] {
  return Array.from(
    { length: 10_000 },
    (_, user) => backends[policy.pick(accept, hashText(`user-${user}`))] as string,
  )
}

function moved(before: readonly string[], after: readonly string[]): number {
  return before.filter((home, user) => home !== after[user]).length / before.length
}

describe('a consistent hash', () => {
  test('the order of the backends does not matter', () => {
    const one = names(50)
    const other = [...one].reverse()
    const weights = one.map((_, i) => (i % 7) + 1)
    expect(homes(unloaded(other, [...weights].reverse()), other)).toEqual(homes(unloaded(one, weights), one))
  })

  test.each([2, 3, 10, 100, 1000])(
    'of %i backends one that fails moves its own keys and no other',
    (count) => {
      const backends = names(count)
      const policy = unloaded(backends)
      const before = homes(policy, backends)
      const after = homes(policy, backends, (index) => index !== 1)
      for (const [user, home] of before.entries()) {
        if (home === backends[1]) expect(after[user]).not.toBe(home)
        else expect(after[user]).toBe(home)
      }
      expect(homes(policy, backends)).toEqual(before)
    },
  )

  test.each([
    [3, 0.02],
    [10, 0.02],
    [100, 0.02],
    [1000, 0.03],
  ])('of %i backends one that leaves or joins moves its share and little more', (count, more) => {
    const backends = names(count)
    const rest = backends.slice(1)
    const whole = homes(unloaded(backends), backends)
    const fewer = homes(unloaded(rest), rest)
    expect(moved(whole, fewer)).toBeLessThan(1 / count + more)
  })

  test('a heavy one among weighted ones moves its share and little more when it leaves or joins', () => {
    const backends = names(30)
    const weights = backends.map((_, index) => (index === 7 ? 20 : 1 + (index % 4)))
    const without = <Value>(list: readonly Value[]) => list.filter((_, index) => index !== 7)
    const whole = homes(unloaded(backends, weights), backends)
    const fewer = homes(unloaded(without(backends), without(weights)), without(backends))
    const share = 20 / weights.reduce((sum, weight) => sum + weight, 0)
    expect(moved(whole, fewer)).toBeGreaterThan(share - 0.02)
    expect(moved(whole, fewer)).toBeLessThan(share + 0.03)
  })

  test('the keys of one that fails go to all the others', () => {
    const backends = names(11)
    const policy = unloaded(backends)
    const before = homes(policy, backends)
    const after = homes(policy, backends, (index) => index !== 4)
    const heirs = after.filter((_, user) => before[user] === backends[4])
    for (const heir of backends) {
      const share = heirs.filter((home) => home === heir).length / heirs.length
      if (heir === backends[4]) expect(share).toBe(0)
      else expect(Math.abs(share - 0.1)).toBeLessThan(0.06)
    }
  })

  test('no backend is ever given more than the bound', () => {
    const weightLists = fc.array(fc.integer({ min: 1, max: 20 }), { minLength: 2, maxLength: 12 })
    fc.assert(
      fc.property(weightLists, fc.integer({ min: 110, max: 300 }), fc.nat(5), (weights, percent, hot) => {
        const loads = new Loads(weights.length)
        const bound = percent / 100
        loads.policy = consistentHash({ names: names(weights.length), weights, loadOf: loads.of, bound })
        const whole = weights.reduce((sum, weight) => sum + weight, 0)
        for (let i = 0; i < 600; i++) {
          // Nearly everybody has the same key.
          const index = loads.open(all, i % 10 === 0 ? i : hot)
          // Rounding must not decide.
          const limit = Math.ceil((bound * loads.total * (weights[index] as number)) / whole + 1e-9)
          expect(loads.counts[index]).toBeLessThanOrEqual(Math.max(leastBound, limit))
          if (i % 3 === 0) loads.add(index, -1)
        }
      }),
      { numRuns: 60 },
    )
  })

  test('when most are gone the bound is that of those who are left', () => {
    const loads = new Loads(10)
    loads.policy = consistentHash({
      names: names(10),
      weights: names(10).map(() => 1),
      loadOf: loads.of,
      bound: 1.5,
    })
    for (let i = 0; i < 900; i++) loads.open((index) => index < 3, 12345)
    for (let i = 0; i < 3; i++) expect(loads.counts[i]).toBeLessThanOrEqual(450)
    expect(loads.total).toBe(900)
  })

  test('among few connections a client keeps its backend', () => {
    const loads = new Loads(3)
    loads.policy = consistentHash({ names: names(3), weights: [1, 1, 1], loadOf: loads.of, bound: 1.5 })
    const opened = Array.from({ length: leastBound }, () => loads.open(all, hashText('u1')))
    expect(new Set(opened).size).toBe(1)
    expect(loads.open(all, hashText('u1'))).not.toBe(opened[0])
  })
})

describe('a Maglev table', () => {
  test.each([1, 7, 256, 1000, 2048, 2049])(
    '%i equal backends have equal shares, but for one place',
    (count) => {
      const table = maglevTable(
        names(count),
        names(count).map(() => 1),
      )
      const places = new Array<number>(count).fill(0)
      for (const index of table) places[index] = (places[index] as number) + 1
      expect(Math.max(...places) - Math.min(...places)).toBeLessThanOrEqual(1)
    },
  )

  test('weights give shares, and weight 0 none', () => {
    const weights = [1, 2, 0, 5, 256]
    const table = maglevTable(names(5), weights)
    const places = [0, 0, 0, 0, 0]
    for (const index of table) places[index] = (places[index] as number) + 1
    for (const [index, weight] of weights.entries()) {
      expect(Math.abs((places[index] as number) - (table.length * weight) / 264)).toBeLessThanOrEqual(2)
    }
  })
})

test('a text has the same hash in every version, or clients would lose their backends', () => {
  expect([hashText(''), hashText('a'), hashText('user-1'), hashText('user-1', 1), hashText('Grüße')]).toEqual(
    [0, 721651713, 582760828, 322087022, 2360732117],
  )
})
