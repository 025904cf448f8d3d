import { expect, test } from 'vitest'
import { checkName, isName } from './names.ts'

test.each(['a', '__proto__', '\ufeffroom', 'Grüße 👋', 'x'.repeat(128)])('%j is a name', (name) => {
  expect(isName(name)).toBe(true)
})

test.each(['', 'x'.repeat(129), 'a\nb', 'a\0', 'a\ud800', '\udc00a', undefined, 1])('%j is none', (name) => {
  expect(isName(name)).toBe(false)
})

test('what is none is not repeated at any length', () => {
  const said = (name: unknown) => {
    try {
      checkName('room', name as string)
    } catch (error) {
      return String(error)
    }
    return ''
  }
  expect(said('x'.repeat(1_000_000)).length).toBeLessThan(400)
  expect(said('')).toMatch(/found ""$/)
  expect(said(1n)).toMatch(/found a value of type bigint$/)
})
