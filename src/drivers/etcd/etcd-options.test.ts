import { expect, test } from 'vitest'
import type { FairleadError } from '../../core/errors.ts'
import { type EtcdOptions, parseEtcdOptions } from './etcd-options.ts'

test('an address says where, and how to get in', () => {
  const { endpoints, user } = parseEtcdOptions('http://me:s%40cret@a:1,https://[::1]:2')
  expect(endpoints.map(String)).toEqual(['http://a:1/', 'https://[::1]:2/'])
  expect(user).toEqual({ name: 'me', password: 's@cret' })
  expect(parseEtcdOptions({ endpoints: 'http://a:2379' }).user).toBeNull()
  const given = { endpoints: ['http://a:2379'], username: 'me', password: 'x' }
  expect(parseEtcdOptions(given).user).toEqual({ name: 'me', password: 'x' })
})

test.each([
  ['etcd://user:hunter2@host'],
  ['hunter2'],
  ['http://me:hunter2%@host:1'],
  ['http://host:1/hunter2'],
  [{ endpoints: [] }],
  [{ endpoints: 7 }],
  [{ endpoints: 'http://a:1', password: 'hunter2' }],
  [null],
  [7],
])('what is no place is refused, and not repeated (%#)', (given) => {
  let error: FairleadError | null = null
  try {
    parseEtcdOptions(given as EtcdOptions)
  } catch (thrown) {
    error = thrown as FairleadError
  }
  expect([error?.code, error?.source]).toEqual(['CONFIG_INVALID', 'config'])
  expect(error?.message).toMatch(/expected .*, found/)
  expect(error?.message).not.toContain('hunter2')
})

test('what is wrong with an address is told', () => {
  const expected = 'etcd: expected an address as http://host:2379 or https://host:2379, found '
  const said = (given: unknown) => expect(() => parseEtcdOptions(given as EtcdOptions))
  said(undefined).toThrow(`${expected}nothing (is the environment variable set?)`)
  said('').toThrow(`${expected}nothing (is the environment variable set?)`)
  said('localhost:2379').toThrow(`${expected}text that does not begin with it`)
  said('redis://host').toThrow(`${expected}redis:// and something that is not that`)
  said(7).toThrow(`${expected}a number`)
  said({ endpoints: 'http://a', pasword: 'hunter2' }).toThrow(
    'found an unknown key "pasword" (did you mean \'password\'?)',
  )
})
