import { describe, expect, test } from 'vitest'
import { formatProblem } from '../core/options/check-options.ts'
import { parseOptions } from './parse-options.ts'
import { describePolicy } from './policy-options.ts'

const secret = 'sixteen characters or more'

function parse(policy: unknown) {
  return parseOptions({
    listen: [{ port: 8080 }],
    pools: { chat: { policy, backends: ['127.0.0.1:3001'] } },
    routes: [{ pool: 'chat', policy: 'random' }],
  })
}

function policyOf(policy: unknown) {
  const result = parse(policy)
  if ('problems' in result) throw new Error(result.problems.map(formatProblem).join('\n'))
  return result.config.pools.chat?.policy as NonNullable<typeof result.config.pools.chat>['policy']
}

function problemsOf(policy: unknown): string[] {
  const result = parse(policy)
  return 'problems' in result ? result.problems.map(formatProblem) : []
}

describe('a policy', () => {
  test.each([
    'auto',
    'round-robin',
    'least-connections',
    'power-of-two',
    'random',
    'peak-ewma',
    'source-ip-hash',
  ])('may be just %s', (name) => {
    expect(policyOf(name)).toBe(name)
    expect(describePolicy(policyOf(name))).toBe(name)
  })

  test.each([
    [{ hash: { header: 'X-User' } }, { kind: 'header', name: 'x-user' }, 'hash of header x-user'],
    [{ hash: { cookie: 'User' } }, { kind: 'cookie', name: 'User' }, 'hash of cookie User'],
    [{ hash: { query: 'room' } }, { kind: 'query', name: 'room' }, 'hash of query parameter room'],
    [{ hash: { pathSegment: 2 } }, { kind: 'segment', number: 2 }, 'hash of path segment 2'],
  ])('may be %j', (policy, hash, described) => {
    expect(policyOf(policy)).toEqual({ hash, bound: 1.5 })
    expect(describePolicy(policyOf(policy))).toBe(described)
  })

  test('may have a bound of its own or none', () => {
    expect(policyOf({ hash: { query: 'room' }, bound: '125%' })).toMatchObject({ bound: 1.25 })
    expect(policyOf({ hash: { query: 'room' }, bound: 'none' })).toMatchObject({ bound: Infinity })
  })

  test.each([
    [
      'best',
      'pools.chat.policy: found "best", expected auto, round-robin, least-connections, power-of-two, random, peak-ewma or source-ip-hash',
    ],
    [
      { hash: 'x-user' },
      'pools.chat.policy.hash: found "x-user", expected a map with one of header, cookie, query or pathSegment',
    ],
    [
      { hash: {} },
      'pools.chat.policy.hash: found an empty map, expected exactly one of header, cookie, query and pathSegment',
    ],
    [
      { hash: { header: 'a', cookie: 'b' } },
      'pools.chat.policy.hash: found a map, expected exactly one of header, cookie, query and pathSegment',
    ],
    [
      { hash: { headr: 'a' } },
      "pools.chat.policy.hash.headr: found an unknown key, expected header, cookie, query or pathSegment (did you mean 'header'?)",
    ],
    [{ hash: { header: 'a b' } }, 'pools.chat.policy.hash.header: found "a b", expected a header name'],
    [
      { hash: { pathSegment: 0 } },
      'pools.chat.policy.hash.pathSegment: found 0, expected a whole number from 1 to 64',
    ],
    [
      { hash: { header: 'a' }, bound: '90%' },
      "pools.chat.policy.bound: found \"90%\", expected a percentage from '101%' to '1000%', or 'none'",
    ],
    [
      { sticky: { secret: 'too short' } },
      'pools.chat.policy.sticky.secret: found a string that is not shown, expected at least 16 characters',
    ],
    [
      { sticky: { secret: { env: 'FAIRLEAD_TEST_NOT_SET' } } },
      'pools.chat.policy.sticky.secret.env: found a string that is not shown, expected that the environment variable FAIRLEAD_TEST_NOT_SET has at least 16 characters',
    ],
    [{ sticky: {} }, 'pools.chat.policy.sticky.secret: found nothing, expected text, or a map with env'],
    [
      { sticky: { secret, otherwise: 'source-ip-hash' } },
      'pools.chat.policy.sticky.otherwise: found "source-ip-hash", expected auto, round-robin, least-connections, power-of-two, random or peak-ewma',
    ],
    [
      { sticky: { secret, cookie: 'a;b' } },
      'pools.chat.policy.sticky.cookie: found "a;b", expected the name of a cookie',
    ],
  ])('%j is explained', (policy, problem) => {
    expect(problemsOf(policy)).toEqual([problem])
  })

  test('takes a secret as text or from the environment, and shows it nowhere', () => {
    process.env.FAIRLEAD_TEST_SECRET = secret
    for (const given of [secret, { env: 'FAIRLEAD_TEST_SECRET' }]) {
      const policy = policyOf({ sticky: { secret: given } })
      if (typeof policy === 'string' || !('sticky' in policy)) throw new Error('expected a sticky cookie')
      expect(policy.sticky.secret.reveal()).toBe(secret)
      expect(policy.sticky.otherwise).toBe('auto')
      expect(JSON.stringify(policy) + describePolicy(policy)).not.toContain(secret)
    }
    delete process.env.FAIRLEAD_TEST_SECRET
  })
})

describe('sticky cookies of one pool', () => {
  const sticky = (key: string, cookie?: string) => ({
    sticky: { secret: key, ...(cookie !== undefined && { cookie }) },
  })
  const problems = (...policies: [pool: object | undefined, ...routes: object[]]) => {
    const [own, ...others] = policies
    const result = parseOptions({
      listen: [{ port: 8080 }],
      pools: { chat: { ...(own !== undefined && { policy: own }), backends: ['127.0.0.1:3001'] } },
      routes: others.map((policy, index) => ({ match: { path: `/${index}` }, pool: 'chat', policy })),
    })
    return 'problems' in result ? result.problems.map(formatProblem) : []
  }

  test('of one name have one secret', () => {
    const other = `${secret}!`
    const told =
      'policy.sticky.cookie: found nothing, expected a name of its own, or the secret that signs fairlead-chat elsewhere in pool chat'
    expect(problems(sticky(secret), sticky(other))).toEqual([`routes[0].${told}`])
    expect(problems(undefined, sticky(secret), sticky(other))).toEqual([`routes[1].${told}`])
    expect(problems(sticky(secret), sticky(secret))).toEqual([])
    expect(problems(sticky(secret), sticky(other, 'own'))).toEqual([])
  })
})
