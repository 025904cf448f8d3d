import { expect, test } from 'vitest'
import { Secret } from './secret.ts'
import { same, share } from './share.ts'

test('what says the same is the same object', () => {
  const before = { a: { list: [1, { b: 2 }] }, c: 'x' }
  expect(share(before, structuredClone(before))).toBe(before)
})

test('what has changed is new, and its unchanged parts are not', () => {
  const before = { a: { list: [1, { b: 2 }] }, c: { d: 1 } }
  const after = share(before, { a: { list: [1, { b: 3 }] }, c: { d: 1 } })
  expect(after).toEqual({ a: { list: [1, { b: 3 }] }, c: { d: 1 } })
  expect(after.c).toBe(before.c)
  expect(after.a).not.toBe(before.a)
  expect(Object.isFrozen(after)).toBe(true)
})

test.each([
  [{ a: 1 }, { a: 1, b: undefined }],
  [{ a: undefined }, { b: undefined }],
  [[1, 2], [1]],
  [[], {}],
  [{ a: null }, { a: {} }],
  [{ a: new Secret('one') }, { a: new Secret('two') }],
  [{ a: new Secret('one') }, { a: 'one' }],
])('%j is not the same as %j', (before, after) => {
  expect(same(before, after)).toBe(false)
})

test('keys in another order say the same', () => {
  expect(same({ a: 1, b: { c: 2, d: 3 } }, { b: { d: 3, c: 2 }, a: 1 })).toBe(true)
})

test('a secret with the same text is the same', () => {
  const before = { key: new Secret('text') }
  expect(share(before, { key: new Secret('text') })).toBe(before)
})
