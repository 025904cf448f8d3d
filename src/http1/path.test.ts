import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { normalisePath } from './path.ts'

describe('normalisePath', () => {
  test.each([
    ['/', '/'],
    ['/a/b.c', '/a/b.c'],
    ['/a/.b', '/a/.b'],
    ['/a/..b/...', '/a/..b/...'],
    ['/.', '/'],
    ['/..', '/'],
    ['/./', '/'],
    ['/a/.', '/a/'],
    ['/a/..', '/'],
    ['/a/b/..', '/a/'],
    ['/a/b/../', '/a/'],
    ['/a/./b', '/a/b'],
    ['/../../a', '/a'],
    ['/a/../../b', '/b'],
    ['/a/%2e/b', '/a/b'],
    ['/a/%2E%2e/b', '/b'],
    ['/a/.%2e/b', '/b'],
    ['/a/%2e%2e%2fb', '/a/..%2Fb'],
    ['/a/..%2fb', '/a/..%2Fb'],
    ['/a/..%5cb', '/a/..%5Cb'],
    ['/%61%7a%41%5A%30%39%2d%5f%7e', '/azAZ09-_~'],
    ['/%c3%a9', '/%C3%A9'],
    ['/%3f%23%25', '/%3F%23%25'],
    ['/%252e%252e/a', '/%252e%252e/a'],
    ['/a//b', '/a//b'],
    ['//', '//'],
    ['//a', '//a'],
    ['/a//../b', '/a/b'],
    ['/..//a', '//a'],
    ['/a;x=1,b@:!$&\'()*+="<>[]^`{|}', '/a;x=1,b@:!$&\'()*+="<>[]^`{|}'],
  ])('%s becomes %s', (path, expected) => {
    expect(normalisePath(path)).toBe(expected)
  })

  test.each([
    '',
    'a',
    '*',
    '\\',
    '/a\\b',
    '/..\\a',
    '/%',
    '/%4',
    '/%4g',
    '/%g4',
    '/%%41',
    '/% 1',
    '/%u0041',
    '/%00',
    '/a%00.html',
    '/a b',
    '/a\tb',
    '/a\0',
    '/a\x7f',
    '/\xe9',
    '/☃',
    '/a?b',
    '/a#b',
  ])('%j is refused', (path) => {
    expect(normalisePath(path)).toBeNull()
  })

  const piece = fc.constantFrom(
    '/',
    '.',
    '..',
    '%2e',
    '%2E',
    '%2f',
    '%5c',
    '%25',
    '%41',
    '%',
    '00',
    'a',
    'B',
    '~',
    '//',
  )
  const paths = fc.array(piece, { maxLength: 12 }).map((pieces) => `/${pieces.join('')}`)

  test('applying it twice changes nothing more', () => {
    fc.assert(
      fc.property(paths, (path) => {
        const once = normalisePath(path)
        if (once !== null) expect(normalisePath(once)).toBe(once)
      }),
    )
  })

  test('no accepted path has a dot segment, in any spelling', () => {
    fc.assert(
      fc.property(paths, (path) => {
        const result = normalisePath(path)
        if (result === null) return
        expect(result.startsWith('/')).toBe(true)
        for (const segment of result.split('/')) expect(segment).not.toMatch(/^(?:\.|%2e){1,2}$/i)
      }),
    )
  })

  test('what the URL standard resolves, it resolves alike, but for empty segments', () => {
    fc.assert(
      fc.property(paths, (path) => {
        const result = normalisePath(path)
        if (result === null || path.includes('//')) return
        const theirs = new URL(`http://a${result}`).pathname
        expect(theirs).toBe(result)
      }),
    )
  })
})
