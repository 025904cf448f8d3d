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
  expect(parseRedisOptions('REDISS://me:s%40cret@[::1]:7000/3')).toMatchObject({
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
  [{ sentinels: [{ host: 'a', port: 1 }], master: 'm', database: -1 }],
  [{ sentinels: [{ host: 'a', port: 1 }], master: 'm', sentinelPassword: 7 }],
  [{ cluster: [{ host: 'hunter2', port: 65_536 }] }],
  [{ cluster: [{ host: 'a', port: 1 }], mapAddress: 'hunter2' }],
  [{ url: 'redis://host', pasword: 'hunter2' }],
  [{ url: 'redis://host', cluster: [{ host: 'a', port: 1 }] }],
  [{ url: 'redis://host', password: ['hunter2'] }],
  [{ url: 'redis://host', tls: 'hunter2' }],
  [{ url: 'rediss://:hunter2@host', tls: false }],
  ['redis://me:hunter2%@host'],
  ['redis://me:12/hunter2@host'],
  ['redis://me:1?hunter2@host'],
  ['redis://me:1#hunter2@host'],
  ['redis://me:a/hunter2@host'],
  ['redis://host?password=hunter2'],
  ['redis://:hunter2@host:0'],
  ['redis://hunter2@host'],
  [{ cluster: [{ host: 'a', port: 1 }], username: 'hunter2' }],
  ['localhost:6379'],
  [''],
  [undefined],
  [{}],
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

test.each([
  ['redis://me:a/b@host', 'written as %2F'],
  ['redis://me:%@host', '%25'],
  [{ url: 'redis://host', tls: 7 }, 'true, false or an object as `tls`'],
])('it says what to do about %j', (given, hint) => {
  expect(() => parseRedisOptions(given as RedisOptions)).toThrow(hint)
})
