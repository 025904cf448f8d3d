import { expect, test } from 'vitest'
import { UnderWay } from './under-way.ts'

test('small requests count as well, and what is answered counts no more', () => {
  const underWay = new UnderWay('Stub')
  let entered = 0
  expect(() => {
    for (; entered < 1_000_000; entered++) underWay.enter(0)
  }).toThrow('too much is under way to Stub')
  expect(entered).toBeGreaterThan(10_000)
  underWay.leave(512)
  underWay.enter(0)
  expect(() => underWay.enter(0)).toThrow('too much')
})

test('a large one is taken as long as there is room for it', () => {
  const underWay = new UnderWay('Stub')
  const half = 33 * 1024 * 1024
  const taken = underWay.enter(half)
  expect(() => underWay.enter(half)).toThrow('too much')
  underWay.leave(taken)
  underWay.enter(half)
})
