import { expect, test } from 'vitest'
import { isName } from './names.ts'

test.each(['a', '__proto__', '\ufeffroom', 'Grüße 👋', 'x'.repeat(128)])('%j is a name', (name) => {
  expect(isName(name)).toBe(true)
})

test.each(['', 'x'.repeat(129), 'a\nb', 'a\0', 'a\ud800', '\udc00a', undefined, 1])('%j is none', (name) => {
  expect(isName(name)).toBe(false)
})
