import { describe, expect, test } from 'vitest'
import { isOriginAllowed, isOriginRule } from './origins.ts'

function allowed(
  origin: string | undefined,
  host: string | undefined,
  secure: boolean,
  list: readonly string[] = [],
) {
  return isOriginAllowed({ origin, headers: { host }, secure }, list)
}

describe('an origin', () => {
  test.each([
    [undefined, 'a.example', false, true],
    ['https://a.example', 'a.example', true, true],
    ['https://a.example', 'a.example', false, true],
    ['http://a.example', 'a.example', false, true],
    // Whoever can change a page on its way must not come in by the door that is locked.
    ['http://a.example', 'a.example', true, false],
    ['https://a.example', 'a.example:443', true, true],
    ['https://a.example:8443', 'a.example:8443', true, true],
    ['https://a.example', 'a.example:80', true, false],
    ['https://a.example', undefined, true, false],
    ['https://a.example', 'b@a.example', true, false],
    ['https://[::1]:3000', '[::1]:3000', true, true],
    ['null', 'null', false, false],
  ])('%s at host %s, over TLS: %s, is allowed: %s', (origin, host, secure, expected) => {
    expect(allowed(origin, host, secure)).toBe(expected)
  })

  test('of the list is allowed whatever the host is', () => {
    expect(allowed('https://a.example', 'other', true, ['https://A.example:443'])).toBe(true)
    expect(allowed('http://a.example', 'other', true, ['https://a.example'])).toBe(false)
    expect(allowed('https://x.a.example:444', 'other', true, ['https://*.a.example'])).toBe(false)
  })

  test.each([
    ['https://a.example', true],
    ['https://*.a.example', true],
    ['http://localhost:5173', true],
    ['capacitor://localhost', true],
    ['chrome-extension://*.a', false],
    ['a.example', false],
    ['https://a.example/', false],
    ['https://a.*.example', false],
    ['*', false],
    ['https://*', false],
    ['null', false],
    ['https://a b', false],
    ['https://a:99999', false],
  ])('%s in the list is a rule: %s', (entry, expected) => {
    expect(isOriginRule(entry)).toBe(expected)
  })
})
