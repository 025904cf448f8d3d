import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { compileRoutes, type RouteMatch } from './routing.ts'

const noHeader = new Map<string, string>()

function takes(match: RouteMatch, host: string, path: string, headers: Record<string, string> = {}): boolean {
  return compileRoutes([{ match }])(host, path, new Map(Object.entries(headers))) === 0
}

describe('hosts', () => {
  test.each([
    ['example.com', 'example.com', true],
    ['example.com', 'EXAMPLE.com', true],
    ['Example.COM', 'example.com', true],
    ['example.com', 'example.com.', true],
    ['example.com', 'a.example.com', false],
    ['example.com', 'example.org', false],
    ['example.com', '', false],
    ['*.example.com', 'a.example.com', true],
    ['*.example.com', 'A.B.Example.com', true],
    ['*.EXAMPLE.com', 'a.example.com.', true],
    ['*.example.com', 'example.com', false],
    ['*.example.com', '.example.com', false],
    ['*.example.com', 'badexample.com', false],
    ['*.example.com', 'a.example.com.evil.org', false],
    ['[::1]', '[::1]', true],
    ['[2001:DB8::1]', '[2001:db8::1]', true],
    ['[::1]', '[::2]', false],
    ['127.0.0.1', '127.0.0.1', true],
  ])('%s against %j: %s', (rule, host, expected) => {
    expect(takes({ host: rule }, host, '/')).toBe(expected)
  })
})

describe('paths', () => {
  test.each([
    ['/', '/', true],
    ['/', '/chat', true],
    ['/', '*', false],
    ['/chat', '/chat', true],
    ['/chat', '/chat/', true],
    ['/chat', '/chat/a/b', true],
    ['/chat', '/chatter', false],
    ['/chat', '/cha', false],
    ['/chat', '/Chat', false],
    ['/chat', '/a/chat', false],
    ['/chat/', '/chat/', true],
    ['/chat/', '/chat/a', true],
    ['/chat/', '/chat', false],
    ['/chat/', '/chatter/', false],
    ['/a/b', '/a/b/c', true],
    ['/a/b', '/a/bc', false],
  ])('%s and what is below it against %s: %s', (prefix, path, expected) => {
    expect(takes({ path: prefix }, 'h', path)).toBe(expected)
    expect(takes({ path: { prefix } }, 'h', path)).toBe(expected)
  })

  test.each([
    ['/chat', '/chat', true],
    ['/chat', '/chat/', false],
    ['/chat', '/chat/a', false],
    ['/chat', '/chatter', false],
    ['/', '/', true],
    ['/', '/a', false],
  ])('exactly %s against %s: %s', (exact, path, expected) => {
    expect(takes({ path: { exact } }, 'h', path)).toBe(expected)
  })
})

describe('headers', () => {
  test('all of them have to have their value, or any where the rule says *', () => {
    const headers = { 'X-Tenant': 'acme', 'x-beta': '*' }
    expect(takes({ headers }, 'h', '/', { 'x-tenant': 'acme', 'x-beta': '' })).toBe(true)
    expect(takes({ headers }, 'h', '/', { 'x-tenant': 'acme' })).toBe(false)
    expect(takes({ headers }, 'h', '/', { 'x-tenant': 'Acme', 'x-beta': '1' })).toBe(false)
  })
})

describe('rules', () => {
  test('the first that matches wins', () => {
    const match = compileRoutes([
      { match: { host: 'a.example.com', path: '/chat' } },
      { match: { host: '*.example.com' } },
      { match: { path: '/chat' } },
      { match: { headers: { upgrade: 'websocket' } } },
    ])
    expect(match('a.example.com', '/chat/1', noHeader)).toBe(0)
    expect(match('a.example.com', '/other', noHeader)).toBe(1)
    expect(match('example.org', '/chat', noHeader)).toBe(2)
    expect(match('example.org', '/', new Map([['upgrade', 'websocket']]))).toBe(3)
    expect(match('example.org', '/', noHeader)).toBe(-1)
  })

  test('one without conditions takes everything, even without a host and a path', () => {
    expect(compileRoutes([{}])('', '*', noHeader)).toBe(0)
    expect(compileRoutes([{ match: {} }])('', '*', noHeader)).toBe(0)
    expect(compileRoutes([{ match: { headers: {} } }])('h', '/', noHeader)).toBe(0)
    expect(compileRoutes([{ match: { path: '/x' } }, {}])('h', '/', noHeader)).toBe(1)
  })

  test('without rules nothing matches', () => {
    expect(compileRoutes([])('h', '/', noHeader)).toBe(-1)
  })
})

test('rules mean what they mean label by label and segment by segment', () => {
  const label = fc.constantFrom('a', 'b', 'ab', 'A')
  const host = fc.array(label, { minLength: 1, maxLength: 3 }).map((labels) => labels.join('.'))
  const segment = fc.constantFrom('a', 'b', 'ab', '')
  const path = fc.array(segment, { minLength: 1, maxLength: 3 }).map((segments) => `/${segments.join('/')}`)
  const rule = fc.record(
    {
      host: fc.oneof(
        host,
        host.map((name) => `*.${name}`),
      ),
      path: fc.oneof(
        path,
        path.map((prefix) => ({ prefix })),
        path.map((exact) => ({ exact })),
      ),
    },
    { requiredKeys: [] },
  )
  fc.assert(
    fc.property(fc.array(rule, { maxLength: 4 }), host, path, (matches, requestHost, requestPath) => {
      const match = compileRoutes(matches.map((each) => ({ match: each })))
      const expected = matches.findIndex(
        (each) =>
          (each.host === undefined || hostOracle(each.host, requestHost)) &&
          (each.path === undefined || pathOracle(each.path, requestPath)),
      )
      expect(match(requestHost, requestPath, noHeader)).toBe(expected)
    }),
    { numRuns: 1000 },
  )
})

function hostOracle(rule: string, host: string): boolean {
  const wanted = rule.toLowerCase().split('.').reverse()
  const labels = host.toLowerCase().split('.').reverse()
  if (wanted.at(-1) !== '*') return wanted.join() === labels.join()
  const apex = wanted.slice(0, -1)
  return labels.length > apex.length && apex.every((label, index) => label === labels[index])
}

function pathOracle(rule: NonNullable<RouteMatch['path']>, path: string): boolean {
  if (typeof rule === 'object' && 'exact' in rule) return rule.exact === path
  const segments = path.split('/')
  const wanted = (typeof rule === 'string' ? rule : rule.prefix).split('/')
  const below = wanted.at(-1) === ''
  if (below) wanted.pop()
  return (
    segments.length >= wanted.length + (below ? 1 : 0) &&
    wanted.every((segment, index) => segment === segments[index])
  )
}
