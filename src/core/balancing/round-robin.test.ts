import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { Policy } from './policy.ts'
import { roundRobin } from './round-robin.ts'

const all = (): boolean => true

function picks(policy: Policy, count: number, accept: (index: number) => boolean = all): number[] {
  return Array.from({ length: count }, () => policy.pick(accept))
}

function letters(indices: number[]): string {
  return indices.map((index) => 'abcdefgh'[index]).join('')
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((a, b) => a + b, 0)
}

function countOf(sequence: readonly number[], index: number): number {
  return sequence.filter((each) => each === index).length
}

/** How often `index` occurs in every window of `length`. */
function windows(sequence: readonly number[], length: number, index: number): number[] {
  return Array.from({ length: sequence.length - length + 1 }, (_, from) =>
    countOf(sequence.slice(from, from + length), index),
  )
}

const weightLists = fc
  .array(fc.oneof(fc.nat(5), fc.nat(30)), { minLength: 1, maxLength: 8 })
  .filter((weights) => sum(weights) > 0)
const starts = fc.double({ min: 0, max: 0.999999, noNaN: true })

describe('round robin', () => {
  test.each([
    [[1, 1, 1], 'abcabcab'],
    [[7, 7], 'abababab'],
    [[1], 'aaaa'],
    [[0, 3, 0, 3], 'bdbdbd'],
    [[5, 1, 1], 'abaaaca' + 'abaaaca'],
    [[2, 2, 1], 'abcab' + 'abcab'],
    [[3, 1], 'aaba' + 'aaba'],
    [[6, 2], 'aaba' + 'aaba'],
    [[4, 3, 2, 1], 'abcabdacba' + 'abcabdacba'],
  ])('with weights %j it is smooth', (weights, expected) => {
    expect(letters(picks(roundRobin(weights), expected.length))).toBe(expected)
  })

  test('nobody to choose from is told by -1, and costs nobody a turn', () => {
    for (const weights of [[], [0, 0], [0]]) expect(roundRobin(weights).pick(all)).toBe(-1)
    for (const weights of [
      [1, 1, 1],
      [4, 3, 2, 1],
    ]) {
      const policy = roundRobin(weights)
      const undisturbed = roundRobin(weights)
      for (let i = 0; i < 25; i++) {
        expect(policy.pick(() => false)).toBe(-1)
        expect(policy.pick(all)).toBe(undisturbed.pick(all))
      }
    }
  })

  test('the weights are read once', () => {
    const weights = [3, 1]
    const policy = roundRobin(weights)
    weights.fill(0)
    expect(letters(picks(policy, 8))).toBe('aabaaaba')
  })

  test('an accept that throws costs nobody a turn', () => {
    const policy = roundRobin([3, 1])
    const refuseThenThrow = (index: number): boolean => {
      if (index === 1) throw new Error('broken')
      return false
    }
    for (const expected of 'aabaaaba') {
      expect(() => policy.pick(refuseThenThrow)).toThrow('broken')
      expect(letters([policy.pick(all)])).toBe(expected)
    }
  })

  test('different starts begin with different backends', () => {
    const equal = Array.from({ length: 4 }, (_, i) => roundRobin([1, 1, 1, 1], i / 4).pick(all))
    expect(equal).toEqual([0, 1, 2, 3])
    const unequal = Array.from({ length: 50 }, (_, i) => roundRobin([5, 1, 1], i / 50).pick(all))
    expect(new Set(unequal)).toEqual(new Set([0, 1, 2]))
    expect(roundRobin([5, 1, 1], 0.999).pick(all)).toBe(0)
  })

  test('a successor goes on where the last one stood', () => {
    for (const weights of [new Array<number>(49).fill(1), [5, 1, 1]]) {
      const expected = picks(roundRobin(weights), 100)
      let policy = roundRobin(weights)
      const carried = expected.map(() => {
        const index = policy.pick(all)
        policy = roundRobin(weights, policy.position)
        return index
      })
      expect(carried).toEqual(expected)
    }
  })
})

test('every window as long as the weights together gives each its weight, also while some are refused', () => {
  fc.assert(
    fc.property(weightLists, starts, fc.nat(255), fc.nat(20), (weights, start, refusedBits, before) => {
      const policy = roundRobin(weights, start)
      picks(policy, before)
      const eligible = (index: number): boolean => ((refusedBits >> index) & 1) === 0
      const shares = weights.map((weight, index) => (eligible(index) ? weight : 0))
      const round = sum(shares)
      const sequence = picks(policy, 3 * round, eligible)
      for (const [index, share] of shares.entries()) {
        expect(new Set(windows(sequence, round, index))).toEqual(new Set(round === 0 ? [0] : [share]))
      }
    }),
    { numRuns: 300 },
  )
})

test('between two turns of one, every other gets its share: nobody comes in clusters', () => {
  fc.assert(
    fc.property(weightLists, starts, (weights, start) => {
      const sequence = picks(roundRobin(weights, start), 3 * sum(weights))
      for (const [one, weight] of weights.entries()) {
        const turns = sequence.flatMap((index, at) => (index === one ? [at] : []))
        for (let i = 1; i < turns.length; i++) {
          const between = sequence.slice((turns[i - 1] as number) + 1, turns[i])
          for (const [other, otherWeight] of weights.entries()) {
            if (other === one) continue
            const share = otherWeight / weight
            const count = countOf(between, other)
            if (count < Math.ceil(share) - 1 || count > Math.floor(share) + 1) {
              expect({ one, other, count, sequence: letters(sequence) }).toEqual({ share })
            }
          }
        }
      }
    }),
    { numRuns: 200 },
  )
})

test('one that comes back gets its share from then on, without catching up', () => {
  fc.assert(
    fc.property(weightLists, starts, fc.nat(7), fc.nat(100), (weights, start, away, absence) => {
      const policy = roundRobin(weights, start)
      picks(policy, absence, (index) => index !== away)
      const round = sum(weights)
      const sequence = picks(policy, 2 * round)
      for (const [index, weight] of weights.entries()) {
        expect(new Set(windows(sequence, round, index))).toEqual(new Set([weight]))
      }
    }),
    { numRuns: 300 },
  )
})

test('whatever is refused, each is proposed at most once, and -1 means that all were', () => {
  fc.assert(
    fc.property(weightLists, starts, fc.array(fc.nat(255), { maxLength: 60 }), (weights, start, rounds) => {
      const policy = roundRobin(weights, start)
      const members = weights.flatMap((weight, index) => (weight > 0 ? [index] : []))
      for (const refusedBits of rounds) {
        const proposed: number[] = []
        const index = policy.pick((each) => {
          proposed.push(each)
          return ((refusedBits >> each) & 1) === 0
        })
        expect(new Set(proposed).size).toBe(proposed.length)
        expect(members).toEqual(expect.arrayContaining(proposed))
        if (index === -1) expect(proposed.length).toBe(members.length)
        else expect(proposed.at(-1)).toBe(index)
        expect(policy.position).toBeGreaterThanOrEqual(0)
        expect(policy.position).toBeLessThan(1)
      }
    }),
  )
})
