import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { Policy, Random } from '../policy.ts'
import { Loads } from './loads.ts'
import { seededRandom } from './seeded-random.ts'

/** What a policy under test is made from. */
export interface PolicyParts {
  readonly weights: readonly number[]
  readonly loads: Loads
  readonly random: Random
}

/** How a policy under test is made, and what does not hold for it. */
export interface PolicyUnderTest {
  make(parts: PolicyParts): Policy
  /** Whether backends that are idle all the time get their weights' shares; a hash needs the keys for that. */
  readonly evenWhenIdle?: boolean
}

const all = (): boolean => true
const weightLists = fc.array(fc.oneof(fc.nat(3), fc.nat(256)), { minLength: 1, maxLength: 40 })

/** Every policy keeps what `Policy` promises. */
export function policyContract(name: string, { make, evenWhenIdle = true }: PolicyUnderTest): void {
  const start = (weights: readonly number[], seed = 1) => {
    const loads = new Loads(weights.length)
    const random = seededRandom(seed)
    const policy = make({ weights, loads, random })
    loads.policy = policy
    return { policy, loads, random, key: () => Math.floor(random() * 2 ** 32) }
  }

  describe(`${name} keeps the contract of policies`, () => {
    test('whoever is picked was accepted and has a weight, and -1 means that everybody was refused', () => {
      const steps = fc.array(fc.tuple(fc.integer(), fc.bigInt({ min: 0n, max: 2n ** 40n - 1n })), {
        maxLength: 60,
      })
      fc.assert(
        fc.property(weightLists, steps, fc.integer(), (weights, moves, seed) => {
          const { loads, random } = start(weights, seed)
          for (const [key, eligible] of moves) {
            const accept = (index: number): boolean => {
              expect(weights[index]).toBeGreaterThan(0)
              return isEligible(eligible, index)
            }
            const index = loads.open(accept, key >>> 0)
            const somebody = weights.some((weight, each) => weight > 0 && isEligible(eligible, each))
            expect(index !== -1).toBe(somebody)
            if (index !== -1) expect(isEligible(eligible, index)).toBe(true)
            const leaving = Math.floor(random() * weights.length)
            if ((loads.counts[leaving] as number) > 0 && random() < 0.5) loads.add(leaving, -1)
          }
        }),
      )
    })

    test('nobody to choose from is told by -1', () => {
      for (const weights of [[], [0], [0, 0, 0]]) expect(start(weights).policy.pick(all, 7)).toBe(-1)
      const { policy } = start(new Array<number>(1000).fill(1))
      expect(policy.pick(() => false, 7)).toBe(-1)
      expect(policy.pick((index) => index === 611, 7)).toBe(611)
    })

    test('an accept that throws leaves nothing behind', () => {
      const { policy, key } = start([1, 2, 3])
      for (let i = 0; i < 10; i++) {
        const broken = () =>
          policy.pick(() => {
            throw new Error('broken')
          }, i)
        expect(broken).toThrow('broken')
      }
      expect(picked(policy, 3, 2000, key).every((n) => n > 0)).toBe(true)
    })

    test('connections that stay are spread as the weights say', () => {
      const weights = [1, 1, 2, 4, 8, 0, 16]
      const { loads, key } = start(weights)
      for (let i = 0; i < 16_000; i++) loads.open(all, key())
      expectShares(loads.counts, weights)
    })

    if (evenWhenIdle) {
      test('requests that are over at once are spread as the weights say', () => {
        const weights = [5, 1, 1, 3, 0, 10]
        const { policy, key } = start(weights)
        expectShares(picked(policy, weights.length, 20_000, key), weights)
      })
    }

    test('who is refused leaves a share to each of the others by weight, and catches nothing up', () => {
      const weights = [4, 2, 2, 1, 1]
      const { policy, key } = start(weights)
      const without = picked(policy, 5, 20_000, key, (index) => index !== 1)
      expectShares(without, [4, 0, 2, 1, 1])
      // Idle again, it gets its share from now on.
      if (evenWhenIdle) expectShares(picked(policy, 5, 20_000, key), weights)
    })

    test('it is fair under churn: leaving, failing and returning backends do not skew the rest', () => {
      const weights = new Array<number>(20).fill(1)
      const { loads, random, key } = start(weights)
      const live: number[] = []
      const picks = new Array<number>(20).fill(0)
      let away = -1
      for (let i = 0; i < 40_000; i++) {
        if (i % 200 === 0) away = i % 400 === 0 ? -1 : Math.floor(random() * 20)
        const index = loads.open((each) => each !== away, key())
        expect(index).not.toBe(away)
        picks[index] = (picks[index] as number) + 1
        live.push(index)
        if (live.length > 1000) {
          const at = Math.floor(random() * live.length)
          loads.add(live[at] as number, -1)
          live[at] = live.at(-1) as number
          live.pop()
        }
      }
      expectShares(picks, weights, 0.12)
    })
  })
}

function isEligible(eligible: bigint, index: number): boolean {
  return ((eligible >> BigInt(index)) & 1n) === 1n
}

/** How often each was picked, nobody being busy. */
function picked(
  policy: Policy,
  count: number,
  picks: number,
  key: () => number,
  accept: (index: number) => boolean = all,
): number[] {
  const counts = new Array<number>(count).fill(0)
  for (let i = 0; i < picks; i++) {
    const index = policy.pick(accept, key())
    counts[index] = (counts[index] as number) + 1
  }
  return counts
}

/** Within so much of the share, and five standard deviations of chance. */
function expectShares(counts: readonly number[], weights: readonly number[], tolerance = 0.05): void {
  const total = counts.reduce((sum, count) => sum + count, 0)
  const whole = weights.reduce((sum, weight) => sum + weight, 0)
  for (const [index, weight] of weights.entries()) {
    const expected = (total * weight) / whole
    const off = Math.abs((counts[index] as number) - expected)
    const allowed = expected * tolerance + 5 * Math.sqrt(expected)
    if (off > allowed) expect({ index, expected, counts }).toEqual('a share within bounds')
  }
}
