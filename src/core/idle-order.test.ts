import fc from 'fast-check'
import { expect, test } from 'vitest'
import { IdleOrder } from './idle-order.ts'

test('who was not active for longest comes first, new ones come last, and the others are forgotten', () => {
  const counts = new Map<string, number>([
    ['a', 0],
    ['b', 0],
    ['c', 0],
  ])
  const order = new IdleOrder<string>((member) => counts.get(member) ?? 0)
  order.sweep(['a', 'b', 'c'])
  counts.set('a', 5)
  order.sweep(['a', 'b', 'c', 'd'])
  expect(order.first(9)).toEqual(['b', 'c', 'a', 'd'])
  counts.set('b', 1)
  order.sweep(['a', 'b', 'c'])
  expect(order.first(2)).toEqual(['c', 'a'])
  expect([order.size, order.first(0)]).toEqual([3, []])
})

test('the order is that of the sweep in which each was last found active', () => {
  const activity = fc.array(fc.uniqueArray(fc.nat({ max: 19 })), { maxLength: 30 })
  fc.assert(
    fc.property(activity, (sweeps) => {
      const counts = Array.from({ length: 20 }, () => 0)
      const lastActive = Array.from({ length: 20 }, () => 0)
      const order = new IdleOrder<number>((member) => counts[member] as number)
      order.sweep(counts.keys())
      for (const [round, active] of sweeps.entries()) {
        for (const member of active) {
          counts[member] = (counts[member] as number) + 1
          lastActive[member] = round + 1
        }
        order.sweep(counts.keys())
      }
      const rounds = order.first(20).map((member) => lastActive[member] as number)
      expect(rounds).toEqual([...rounds].sort((a, b) => a - b))
      expect(rounds.length).toBe(20)
    }),
  )
})
