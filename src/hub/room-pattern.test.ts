import fc from 'fast-check'
import { expect, test } from 'vitest'
import { fitsPattern } from './room-pattern.ts'

test.each([
  ['chat-*', 'chat-', true],
  ['chat-*', 'chat-1', true],
  ['chat-*', 'chat', false],
  ['*', 'anything\n', true],
  ['*-chat', 'a-chat-chat', true],
  ['a*b*c', 'abcbc', true],
  ['a*b*c', 'acb', false],
  ['a**b', 'ab', true],
  ['a.c*', 'abc', false],
])('%s fits %j: %s', (pattern, name, expected) => {
  expect(fitsPattern(pattern, name)).toBe(expected)
})

test('fits what the regular expression fits', () => {
  const text = fc.string({ unit: fc.constantFrom('a', 'b', '*', '😀'), maxLength: 8 })
  fc.assert(
    fc.property(text, text, (pattern, name) => {
      const parts = pattern.split('*').map((part) => part.replaceAll('*', '\\*'))
      const expected = new RegExp(`^${parts.join('.*')}$`, 's').test(name)
      expect(fitsPattern(pattern, name)).toBe(expected)
    }),
  )
})

test('takes no longer for what almost fits', () => {
  const started = performance.now()
  for (let count = 0; count < 100; count++) fitsPattern(`${'*a'.repeat(60)}*b`, 'a'.repeat(128))
  // A regular expression takes longer than the age of the universe.
  expect(performance.now() - started).toBeLessThan(5_000)
})
