import { expect, test } from 'vitest'
import type { FairleadError } from '../../core/errors.ts'
import { parseRedisOptions, type RedisOptions } from './redis-options.ts'

test('an address says where, which database, and how to get in', () => {
  expect(parseRedisOptions('redis://localhost')).toMatchObject({
    kind: 'server',
    addresses: [{ host: 'localhost', port: 6379 }],
    database: 0,
    access: {},
  })
  expect(parseRedisOptions('rediss://me:s%40cret@[::1]:7000/3')).toMatchObject({
    addresses: [{ host: '::1', port: 7000 }],
    database: 3,
    access: { username: 'me', password: 's@cret', tls: true },
  })
})

test.each([
  ['http://user:hunter2@host'],
  ['redis:hunter2'],
  ['hunter2'],
  ['redis://:hunter2@host/x'],
  [{ cluster: [] }],
  [{ cluster: 'hunter2' }],
  [{ sentinels: [{ host: 'a', port: 1 }] }],
  [{ sentinels: [{ host: 'hunter2' }], master: 'm' }],
  [null],
  [7],
])('what is no place is refused, and not repeated (%#)', (given) => {
  let error: FairleadError | null = null
  try {
    parseRedisOptions(given as RedisOptions)
  } catch (thrown) {
    error = thrown as FairleadError
  }
  expect([error?.code, error?.source]).toEqual(['CONFIG_INVALID', 'config'])
  expect(error?.message).toMatch(/expected .*, found/)
  expect(error?.message).not.toContain('hunter2')
})

test('what is wrong with an address is told', () => {
  const expected = 'redis: expected an address as redis://host:6379 or rediss://host:6379, found '
  const said = (given: unknown) => expect(() => parseRedisOptions(given as RedisOptions))
  said(undefined).toThrow(`${expected}nothing (is the environment variable set?)`)
  said('').toThrow(`${expected}nothing (is the environment variable set?)`)
  said('localhost:6379').toThrow(`${expected}text that does not begin with it`)
  said('http://host').toThrow(`${expected}http:// and something that is not that`)
  said(7).toThrow(`${expected}a number`)
  said({ url: 'redis://a', pasword: 'hunter2' }).toThrow(
    'found an unknown key "pasword" (did you mean \'password\'?)',
  )
})
