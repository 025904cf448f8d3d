import fc from 'fast-check'
import { expect, test } from 'vitest'
import { seededRandom } from './contract/seeded-random.ts'
import { WeightedDraw } from './weighted-draw.ts'

test('in a round everybody with a weight comes once, then -1', () => {
  const weightLists = fc.array(fc.oneof(fc.nat(2), fc.nat(100_000)), { maxLength: 50 })
  fc.assert(
    fc.property(
      weightLists,
      fc.integer(),
      fc.array(fc.nat(60), { maxLength: 5 }),
      (weights, seed, rounds) => {
        const draw = new WeightedDraw(weights, seededRandom(seed))
        const members = weights.flatMap((weight, index) => (weight > 0 ? [index] : []))
        for (const length of [...rounds, 60]) {
          draw.begin()
          const came = Array.from({ length }, () => draw.next())
          const found = came.filter((index) => index !== -1)
          expect(new Set(found).size).toBe(found.length)
          expect(found.length).toBe(Math.min(length, members.length))
          expect(members).toEqual(expect.arrayContaining(found))
        }
      },
    ),
  )
})

test('the second and third of a round are as likely as the weights of those left say', () => {
  const weights = [100, 1, 2, 3]
  const draw = new WeightedDraw(weights, seededRandom(5))
  const seconds = [0, 0, 0, 0]
  let rounds = 0
  for (let i = 0; i < 60_000; i++) {
    draw.begin()
    if (draw.next() !== 0) continue
    const second = draw.next()
    seconds[second] = (seconds[second] as number) + 1
    rounds++
  }
  for (const index of [1, 2, 3]) {
    expect((seconds[index] as number) / rounds).toBeCloseTo((weights[index] as number) / 6, 1.6)
  }
})

test('random numbers next to 1 and 0 lead to somebody', () => {
  for (const value of [0, 1 - 2 ** -53]) {
    const draw = new WeightedDraw([0, 3, 0, 1, 7, 0], () => value)
    for (let round = 0; round < 3; round++) {
      draw.begin()
      expect([draw.next(), draw.next(), draw.next()].sort()).toEqual([1, 3, 4])
      expect(draw.next()).toBe(-1)
    }
  }
})
