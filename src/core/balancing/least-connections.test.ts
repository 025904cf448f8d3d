import fc from 'fast-check'
import { expect, test } from 'vitest'
import { Loads } from './contract/loads.ts'
import { policyContract } from './contract/policy-contract.ts'
import { leastConnections } from './least-connections.ts'

policyContract('least connections', {
  make: (parts) => leastConnections(parts.weights, parts.loads.of, parts.random()),
})

const all = (): boolean => true

test('it always finds a least loaded one, for its weight, among the eligible', () => {
  // As many as are asked again at each pick.
  const refusals = fc.array(fc.nat(19), { maxLength: 4 })
  const moves = fc.array(fc.tuple(fc.nat(19), fc.integer({ min: -3, max: 3 }), refusals), {
    maxLength: 80,
  })
  fc.assert(
    fc.property(fc.array(fc.nat(9), { minLength: 20, maxLength: 20 }), moves, (weights, steps) => {
      const loads = new Loads(20)
      loads.policy = leastConnections(weights, loads.of)
      const costOf = (index: number): number => (loads.counts[index] as number) / (weights[index] as number)
      for (const [index, change, refused] of steps) {
        loads.add(index, Math.max(change, -(loads.counts[index] as number)))
        const accept = (each: number): boolean => !refused.includes(each)
        const candidates = [...weights.keys()].filter((each) => (weights[each] as number) > 0 && accept(each))
        const least = Math.min(...candidates.map(costOf))
        const found = loads.policy.pick(accept)
        if (candidates.length === 0) expect(found).toBe(-1)
        else expect(costOf(found)).toBe(least)
      }
    }),
  )
})

test('of many who were dead each is back within a quarter as many picks', () => {
  const loads = new Loads(200)
  loads.policy = leastConnections(new Array<number>(200).fill(1), loads.of)
  for (let i = 0; i < 500; i++) loads.open((index) => index >= 100, 0)
  const later = new Set(Array.from({ length: 125 }, () => loads.open(all, 0)))
  for (let index = 0; index < 100; index++) expect(later).toContain(index)
})

test('equals take turns', () => {
  const policy = leastConnections([1, 1, 1, 1], () => 0)
  const sequence = Array.from({ length: 12 }, () => policy.pick(all))
  expect(sequence).toEqual([0, 1, 2, 3, 0, 1, 2, 3, 0, 1, 2, 3])
})

test('different starts begin with different backends', () => {
  const first = Array.from({ length: 4 }, (_, i) => leastConnections([1, 1, 1, 1], () => 0, i / 4).pick(all))
  expect(first).toEqual([0, 1, 2, 3])
})

test('one that was away for long gets one turn soon and no more than its share after', () => {
  const policy = leastConnections([1, 1, 1], () => 0)
  for (let i = 0; i < 1000; i++) policy.pick((index) => index !== 2)
  const sequence = Array.from({ length: 30 }, () => policy.pick(all))
  expect(sequence.filter((index) => index === 2).length).toBeLessThanOrEqual(11)
})
