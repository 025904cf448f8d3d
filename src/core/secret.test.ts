import { inspect } from 'node:util'
import { expect, test } from 'vitest'
import { Secret } from './secret.ts'

test('a secret shows itself only when asked', () => {
  const secret = new Secret('correct horse battery')
  const shown = [inspect({ secret }, { depth: 9, showHidden: true }), JSON.stringify({ secret }), `${secret}`]
  for (const text of shown) expect(text).not.toContain('horse')
  expect(secret.reveal()).toBe('correct horse battery')
})
