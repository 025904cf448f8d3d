import { expect, test } from 'vitest'
import { policyContract } from './contract/policy-contract.ts'
import { leastConnections } from './least-connections.ts'
import { pinned } from './pinned.ts'
import { roundRobin } from './round-robin.ts'

policyContract('pinned, for those who are not', {
  make: ({ weights, loads }) => {
    const policy = pinned(weights, leastConnections(weights, loads.of))
    return { ...policy, pick: (accept) => policy.pick(accept) }
  },
})

const all = (): boolean => true

test('a pinned client gets its backend as long as that is eligible, without costing others a turn', () => {
  const policy = pinned([1, 1, 1], roundRobin([1, 1, 1]))
  expect([policy.pick(all, 2), policy.pick(all, 2), policy.pick(all), policy.pick(all)]).toEqual([2, 2, 0, 1])
  expect(policy.pick((index) => index !== 2, 2)).toBe(0)
})

test('nobody stays pinned to a backend without weight, or to one that does not exist', () => {
  const policy = pinned([1, 0], roundRobin([1, 0]))
  expect([policy.pick(all, 1), policy.pick(all, 9)]).toEqual([0, 0])
})
