import { describe, expect, test } from 'vitest'
import { listenError } from './listen-error.ts'

const inUse = Object.assign(new Error('listen EADDRINUSE'), { code: 'EADDRINUSE' })

describe('a busy address names itself and says how to find out who has it', () => {
  test.each([
    [
      { port: 8080 },
      'linux',
      "port 8080 (every address) is already in use; see who has it: ss -ltnp 'sport = :8080'",
    ],
    [
      { host: '127.0.0.1', port: 8080 },
      'linux',
      "port 8080 (127.0.0.1) is already in use; see who has it: ss -ltnp 'sport = :8080'",
    ],
    [
      { host: '::1', port: 8080 },
      'darwin',
      'port 8080 (::1) is already in use; see who has it: lsof -nP -iTCP:8080 -sTCP:LISTEN',
    ],
    [
      { path: '/run/x.sock' },
      'linux',
      'the socket /run/x.sock is already in use; see who has it: ss -lxp src /run/x.sock',
    ],
  ] as const)('%j on %s', (target, platform, message) => {
    const error = listenError(target, inUse, platform)
    expect(error.message).toBe(message)
    expect(error.code).toBe('LISTEN_ADDRESS_IN_USE')
    expect(error.source).toBe('config')
  })
})

describe('other reasons', () => {
  test.each([
    ['EACCES', 'cannot listen on port 80 (every address): permission denied'],
    ['EADDRNOTAVAIL', 'cannot listen on port 80 (every address): no network interface'],
    ['EWEIRD', 'cannot listen on port 80 (every address): strange things'],
  ])('%s', (code, message) => {
    const error = listenError({ port: 80 }, Object.assign(new Error('strange things'), { code }))
    expect(error.message).toContain(message)
    expect(error.code).toBe('LISTEN_FAILED')
  })

  test.each(['EACCES', 'ENOENT'])('%s of a Unix socket says nothing about ports', (code) => {
    const error = listenError({ path: '/no/x.sock' }, Object.assign(new Error('Failed'), { code }))
    expect(error.message).toBe(
      'cannot listen on the socket /no/x.sock: its folder does not exist, or permission is denied',
    )
  })
})
