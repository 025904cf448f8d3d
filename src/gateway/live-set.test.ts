import { expect, test } from 'vitest'
import { LiveSet } from './live-set.ts'

test('an empty set is empty at once', async () => {
  await new LiveSet<number>().whenEmpty()
})

test('everybody who waits is told when the last one has ended, and not before', async () => {
  const set = new LiveSet<number>([1, 2])
  const told: string[] = []
  const both = Promise.all(['a', 'b'].map((name) => set.whenEmpty().then(() => told.push(name))))
  set.delete(1)
  await Promise.resolve()
  expect(told).toEqual([])
  set.delete(2)
  await both
  expect(told).toEqual(['a', 'b'])
})

test('deleting what is not there tells whether it was', () => {
  const set = new LiveSet<number>([1])
  expect([set.delete(2), set.delete(1), set.delete(1)]).toEqual([false, true, false])
})
