import { describe, expect, test } from 'vitest'
import { formatProblem } from '../../core/options/check-options.ts'
import { parseOptions } from '../parse-options.ts'

function parsed(...pools: object[]) {
  const named = pools.map((pool, index) => [`p${index}`, { backends: ['a:1'], ...pool }])
  return parseOptions({
    listen: [{ port: 8080 }],
    pools: Object.fromEntries(named),
    routes: [{ pool: 'p0' }],
  })
}

function problemsOf(...pools: object[]): string[] {
  const result = parsed(...pools)
  return 'config' in result ? [] : result.problems.map(formatProblem)
}

function healthOf(health: object) {
  const result = parsed({ health })
  if (!('config' in result)) throw new Error(result.problems.map(formatProblem).join('\n'))
  return result.config.pools.p0?.health
}

describe('health', () => {
  test('a probe needs no more than its kind', () => {
    const common = { interval: 5000, timeout: 2000, rise: 2, fall: 3 }
    expect(healthOf({ tcp: true })).toEqual({ tcp: true, ...common })
    expect(healthOf({ http: {} })).toEqual({
      http: { path: '/', headers: {}, expect: { status: [{ from: 200, to: 299 }], headers: {} } },
      ...common,
    })
    expect(healthOf({ websocket: { path: '/chat' } })).toEqual({
      websocket: { path: '/chat', headers: {} },
      ...common,
    })
  })

  test.each([
    { http: { headers: { Authorization: 'Bearer hunter2\n' } } },
    { websocket: { headers: { 'X-Login': 'hunter2\n' } } },
    { http: { expect: { headers: { 'X-Login': 'hunter2\n' } } } },
    { http: { headers: 'Authorization: Bearer hunter2' } },
  ])('what a probe sends is not shown when it is wrong: %j', (health) => {
    const problems = problemsOf({ health })
    expect(problems.length).toBeGreaterThan(0)
    expect(problems.join()).not.toContain('hunter2')
    expect(problems.join()).toContain('not shown')
  })

  test('statuses are numbers and ranges', () => {
    expect(healthOf({ http: { expect: { status: [204, '300-399'] } } })?.http?.expect.status).toEqual([
      { from: 204, to: 204 },
      { from: 300, to: 399 },
    ])
  })

  test.each([
    ['no kind of probe', {}, 'health: found an empty map, expected exactly one of tcp, http and websocket'],
    ['two kinds', { tcp: true, http: {} }, 'expected exactly one of tcp, http and websocket'],
    ['a range upside down', { http: { expect: { status: ['299-200'] } } }, "such as '200-299'"],
    ['a status that is none', { http: { expect: { status: ['2xx'] } } }, "such as '200-299'"],
    ['a path without slash', { http: { path: 'healthz' } }, "expected a path that starts with '/'"],
    ['a path with a line end', { http: { path: '/a\r\nX: y' } }, "expected a path that starts with '/'"],
    ['a host with a line end', { http: { host: 'a\r\nX: y' } }, 'expected a host name'],
    ['a header with a line end', { http: { headers: { 'X-A': 'b\r\nX: y' } } }, 'expected a header value'],
    [
      'a name that is none',
      { websocket: { headers: { 'X A': 'b' } } },
      'expected the name of a header field',
    ],
    ['a header of the probe itself', { websocket: { headers: { Upgrade: 'x' } } }, 'does not write itself'],
    ['a subprotocol that is none', { websocket: { protocol: 'a b' } }, 'expected the name of a subprotocol'],
  ])('%s is a mistake', (_, health, message) => {
    const problems = problemsOf({ health })
    expect(problems).toHaveLength(1)
    expect(problems[0]).toContain(message)
  })
})

describe('pools that share a backend', () => {
  test('agree about its health, because health belongs to the address', () => {
    expect(problemsOf({ health: { tcp: true } }, { health: { tcp: true } })).toEqual([])
    const [problem] = problemsOf({ health: { tcp: true } }, {})
    expect(problem).toContain('p1.health')
    expect(problem).toContain('expected the same health as in pool p0, with which it shares a backend')
    const [other] = problemsOf({}, { ejection: { failures: 3 } })
    expect(other).toContain('expected the same ejection as in pool p0')
  })

  test('may differ in panic, which is of the pool, and pools that share none in everything', () => {
    expect(problemsOf({ panic: 10 }, { panic: 90 })).toEqual([])
    expect(problemsOf({ health: { tcp: true } }, { backends: ['b:1'] })).toEqual([])
  })
})
