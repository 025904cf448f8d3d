import { expect, test } from 'vitest'
import type { FairleadError } from '../../core/errors.ts'
import { type NatsOptions, parseNatsOptions } from './nats-options.ts'

test('an address says where, and how to get in', () => {
  expect(parseNatsOptions('nats://localhost')).toEqual({
    servers: ['localhost:4222'],
    access: {},
    replicas: 1,
    storage: 'file',
  })
  expect(parseNatsOptions('nats://me:s%40cret@a:1,nats://[::1]:2')).toMatchObject({
    servers: ['a:1', '[::1]:2'],
    access: { user: 'me', pass: 's@cret' },
  })
  expect(parseNatsOptions({ servers: ['tls://a', 'tls://b:1'], token: 't', replicas: 3 })).toMatchObject({
    servers: ['a:4222', 'b:1'],
    access: { token: 't', tls: {} },
    replicas: 3,
  })
})

test.each([
  ['http://user:hunter2@host'],
  ['nats:hunter2'],
  ['hunter2'],
  ['nats://me:hunter2%@host'],
  [{ servers: [] }],
  [{ servers: [7] }],
  [{ servers: 'nats://a', replicas: 2 }],
  [{ servers: 'nats://a', storage: 'hunter2' }],
  [null],
  [7],
])('what is no place is refused, and not repeated (%#)', (given) => {
  let error: FairleadError | null = null
  try {
    parseNatsOptions(given as NatsOptions)
  } catch (thrown) {
    error = thrown as FairleadError
  }
  expect([error?.code, error?.source]).toEqual(['CONFIG_INVALID', 'config'])
  expect(error?.message).toMatch(/expected .*, found/)
  expect(error?.message).not.toContain('hunter2')
})

test('what is wrong with an address is told', () => {
  const expected = 'nats: expected an address as nats://host:4222 or tls://host:4222, found '
  const said = (given: unknown) => expect(() => parseNatsOptions(given as NatsOptions))
  said(undefined).toThrow(`${expected}nothing (is the environment variable set?)`)
  said('').toThrow(`${expected}nothing (is the environment variable set?)`)
  said('localhost:4222').toThrow(`${expected}text that does not begin with it`)
  said('redis://host').toThrow(`${expected}redis:// and something that is not that`)
  said(7).toThrow(`${expected}a number`)
  said({ servers: 'nats://a', pasword: 'hunter2' }).toThrow(
    'found an unknown key "pasword" (did you mean \'password\'?)',
  )
})
