import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { formatProblem, formatProblems } from '../core/options/check-options.ts'
import { parseOptions } from './parse-options.ts'

const valid = {
  listen: [{ port: 8080 }],
  pools: { chat: { backends: ['127.0.0.1:3001'] } },
  routes: [{ pool: 'chat' }],
}

function problemsOf(input: unknown): string[] {
  const result = parseOptions(input)
  return 'config' in result ? [] : result.problems.map(formatProblem)
}

/** The given backends in an otherwise valid pool. */
function withBackends(...backends: unknown[]) {
  return { ...valid, pools: { chat: { backends } } }
}

describe('valid options', () => {
  test('every default is filled in, durations are milliseconds and sizes bytes', () => {
    const result = parseOptions(valid)
    if (!('config' in result)) throw new Error(formatProblems(result.problems))
    const { config } = result
    expect(config.timeouts.connect).toBe(3000)
    expect(config.limits.head).toBe(16_384)
    expect(config.log).toEqual({ level: 'info', format: 'auto', access: true })
    expect(config.pools.chat).toMatchObject({
      policy: 'auto',
      drainOnRestart: true,
      backends: [
        {
          address: '127.0.0.1:3001',
          target: { kind: 'tcp', host: '127.0.0.1', port: 3001 },
          weight: 1,
        },
      ],
      ejection: { failures: 5, time: 30_000, maxTime: 300_000, maxShare: 50, earlyClose: 1000 },
      slowStart: { window: 30_000, from: 10 },
      panic: 50,
    })
    expect(config.pools.chat?.health).toBeUndefined()
  })

  test('the result is frozen all the way down', () => {
    const result = parseOptions(valid)
    if (!('config' in result)) throw new Error('expected a config')
    expect(Object.isFrozen(result.config)).toBe(true)
    expect(Object.isFrozen(result.config.pools.chat?.backends[0]?.target)).toBe(true)
  })
})

describe('each mistake names the field, what was found and what is allowed', () => {
  test.each([
    ['nothing at all', undefined, 'found nothing, expected a map with listen, pools, routes'],
    ['null', null, 'found nothing (null), expected a map with listen, pools, routes'],
    ['a missing section', { ...valid, routes: undefined }, 'routes: found nothing, expected a list'],
    ['a wrong type', { ...valid, listen: {} }, 'listen: found an empty map, expected a list'],
    [
      'a number out of range',
      { ...valid, listen: [{ port: 70_000 }] },
      'listen[0].port: found 70000, expected a whole number from 0 to 65535',
    ],
    [
      'a fraction where a whole number belongs',
      withBackends({ address: 'a:1', weight: 1.5 }),
      'pools.chat.backends[0].weight: found 1.5, expected a whole number from 0 to 256',
    ],
    [
      'a number in quotes',
      withBackends({ address: 'a:1', weight: '5' }),
      'pools.chat.backends[0].weight: found "5", expected a whole number from 0 to 256',
    ],
    [
      'a duration without unit',
      { ...valid, timeouts: { connect: 5 } },
      "timeouts.connect: found 5, expected a duration with its unit, such as '250ms'",
    ],
    [
      'a duration that is too long',
      { ...valid, timeouts: { connect: '30d' } },
      'timeouts.connect: found "30d", expected a duration with its unit',
    ],
    [
      'a size out of range',
      { ...valid, limits: { head: '1GiB' } },
      'limits.head: found "1GiB", expected a size with its unit, such as \'64KiB\', from 1024B to 1048576B',
    ],
    [
      'a choice that does not exist',
      { ...valid, log: { level: 'loud' } },
      'log.level: found "loud", expected debug, info, warn, error or silent',
    ],
    ['text for a switch', { ...valid, log: { access: 'no' } }, 'found "no", expected true or false'],
    [
      'an address without port',
      withBackends('127.0.0.1'),
      'pools.chat.backends[0]: found "127.0.0.1", expected host:port, [ipv6]:port or unix:/path',
    ],
    [
      'an address without port inside a map',
      withBackends({ address: '127.0.0.1' }),
      'pools.chat.backends[0].address: found "127.0.0.1", expected host:port',
    ],
    ['an empty list', { ...valid, routes: [] }, 'routes: found an empty list, expected at least one route'],
    [
      'a pool nobody defined',
      { ...valid, routes: [{ pool: 'nope' }] },
      'routes[0].pool: found "nope", expected the name of a pool (chat)',
    ],
    [
      'the same backend twice',
      withBackends('a:1', { address: 'a:1' }),
      'pools.chat.backends[1]: found a map, expected each backend once in a pool',
    ],
    [
      'a bad pool name',
      { ...valid, pools: { 'my chat': { backends: ['a:1'] } }, routes: [{ pool: 'my chat' }] },
      'pools["my chat"]: found the name "my chat", expected 1 to 64 letters',
    ],
  ])('%s', (_, input, expected) => {
    expect(problemsOf(input)[0]).toContain(expected)
  })
})

describe('unknown keys', () => {
  test('a near miss is answered with a guess', () => {
    expect(problemsOf({ ...valid, timeout: {} })).toEqual([
      "timeout: found an unknown key, expected listen, pools, routes, trustedProxies, admission, timeouts, limits or log (did you mean 'timeouts'?)",
    ])
  })

  test('a mistyped required key is one mistake, not two', () => {
    expect(problemsOf({ ...valid, pools: { chat: { backend: ['a:1'] } } })).toEqual([
      "pools.chat.backend: found an unknown key, expected policy, backends, discover, health, ejection, slowStart, panic, maxConnections, maxConnectionsPerBackend, connectRate, waitingRoom, retries or drainOnRestart (did you mean 'backends'?)",
    ])
  })

  test('a key that is already there is not guessed', () => {
    const [problem] = problemsOf({ ...valid, pools: { chat: { backend: [], backends: ['a:1'] } } })
    expect(problem).toBe(
      'pools.chat.backend: found an unknown key, expected policy, backends, discover, health, ejection, slowStart, panic, maxConnections, maxConnectionsPerBackend, connectRate, waitingRoom, retries or drainOnRestart',
    )
  })
})

describe('of several shapes the likeliest is explained', () => {
  test.each([
    [
      'a mistyped key of the first shape',
      { ...valid, listen: [{ prot: 1 }] },
      ["listen[0].prot: found an unknown key, expected port or host (did you mean 'port'?)"],
    ],
    [
      'a mistyped key of the second shape',
      { ...valid, listen: [{ paht: '/run/x' }] },
      ["listen[0].paht: found an unknown key, expected path (did you mean 'path'?)"],
    ],
    [
      'a wrong value in a shape that fits',
      withBackends({ address: 'a:1', weight: 300 }),
      ['pools.chat.backends[0].weight: found 300, expected a whole number from 0 to 256'],
    ],
    [
      'nothing fits, so all are named',
      withBackends(7),
      [
        'pools.chat.backends[0]: found 7, expected host:port, [ipv6]:port or unix:/path, or a map with address, weight, maxConnections, connectRate and state',
      ],
    ],
    [
      'a shape within a map within a list',
      { ...valid, routes: [{ pool: 'chat', match: { path: { exacte: '/x' } } }] },
      ["routes[0].match.path.exacte: found an unknown key, expected exact (did you mean 'exact'?)"],
    ],
    [
      'a listener that is there twice',
      { ...valid, listen: [{ port: 80 }, { port: 0 }, { port: 0 }, { port: 80 }] },
      ['listen[3]: found a map, expected each listener once; *:80 is there already'],
    ],
    [
      'a host that is no address',
      { ...valid, listen: [{ port: 80, host: '300.1.1.1' }] },
      ['listen[0].host: found "300.1.1.1", expected an IPv4 address, or an IPv6 address'],
    ],
    [
      'alternatives of one kind are listed',
      { ...valid, trustedProxies: ['example.com'] },
      [
        'trustedProxies[0]: found "example.com", expected an IPv4 address, or an IPv6 address, or an IPv4 block such as 10.0.0.0/8, or an IPv6 block such as fd00::/8',
      ],
    ],
  ])('%s', (_, input, expected) => {
    expect(problemsOf(input)).toEqual(expected)
  })
})

describe('all mistakes at once', () => {
  test('references between sections are checked although single fields are wrong', () => {
    const problems = problemsOf({ ...valid, timeouts: { connect: 5 }, routes: [{ pool: 'nope' }] })
    expect(problems.map((problem) => problem.split(':')[0])).toEqual(['timeouts.connect', 'routes[0].pool'])
  })

  test('long lists are cut and counted', () => {
    const result = parseOptions(withBackends(...Array.from({ length: 1000 }, () => 'x')))
    if ('config' in result) throw new Error('expected problems')
    const lines = formatProblems(result.problems).split('\n')
    expect(lines).toHaveLength(21)
    expect(lines.at(-1)).toMatch(/^\.\.\. and \d+ more$/)
  })
})

describe('what is shown', () => {
  test('long text is cut, control characters are escaped', () => {
    const [problem] = problemsOf(withBackends(`\u001b[31m${'x'.repeat(500)}`))
    expect(problem?.length).toBeLessThan(200)
    expect(problem).toContain('\\u001b')
  })

  test('a password inside a URL is not shown', () => {
    expect(problemsOf(withBackends('http://me:hunter2@example.com/'))[0]).not.toContain('hunter2')
  })
})

test('any input gives a config or at least one problem with a field, and never throws', () => {
  fc.assert(
    fc.property(fc.object({ withBigInt: true, withDate: true, maxDepth: 4 }), (noise) => {
      const result = parseOptions({ ...valid, ...noise })
      if ('problems' in result) {
        expect(result.problems.length).toBeGreaterThan(0)
        for (const problem of result.problems) expect(problem.expected).not.toBe('')
      }
    }),
    { numRuns: 300 },
  )
})
