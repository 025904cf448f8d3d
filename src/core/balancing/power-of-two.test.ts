import { expect, test } from 'vitest'
import { Loads } from './contract/loads.ts'
import { policyContract } from './contract/policy-contract.ts'
import { seededRandom } from './contract/seeded-random.ts'
import { powerOfTwo } from './power-of-two.ts'

policyContract('power of two', { make: (parts) => powerOfTwo(parts.weights, parts.loads.of, parts.random) })

const all = (): boolean => true

test('a new backend is filled without being flooded', () => {
  const loads = new Loads(5)
  loads.policy = powerOfTwo([1, 1, 1, 1, 1], loads.of, seededRandom(3))
  for (let i = 0; i < 4; i++) loads.add(i, 100)
  let toNewcomer = 0
  for (let i = 0; i < 100; i++) if (loads.open(all, 0) === 4) toNewcomer++
  // It is one of two candidates in 2 of 5 picks, and then it wins.
  expect(toNewcomer).toBeGreaterThan(20)
  expect(toNewcomer).toBeLessThan(60)
})

test('the fullest of many carries hardly more than the mean', () => {
  const loads = new Loads(1000)
  loads.policy = powerOfTwo(new Array<number>(1000).fill(1), loads.of, seededRandom(3))
  for (let i = 0; i < 50_000; i++) loads.open(all, 0)
  expect(Math.max(...loads.counts)).toBeLessThanOrEqual(54)
})
