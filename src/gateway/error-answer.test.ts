import { describe, expect, test } from 'vitest'
import { failureAnswer } from './error-answer.ts'
import { type Failure, statusOf } from './failure.ts'

const failure: Failure = { code: 'BACKEND_REFUSED', message: 'no backend accepted' }

function text(given: Failure, status: number, keepOpen: boolean): string {
  return Buffer.from(failureAnswer(given, status, 'id-1', null, keepOpen)).toString()
}

describe('the answer to a failed request', () => {
  test('is a short text with status, code and request id, and says its exact length', () => {
    const answer = text(failure, 502, false)
    const [head = '', body = ''] = answer.split('\r\n\r\n')
    expect(body).toBe('502 Bad Gateway: no backend accepted (BACKEND_REFUSED, request id-1)\n')
    expect(head.split('\r\n')).toEqual([
      'HTTP/1.1 502 Bad Gateway',
      'Content-Type: text/plain; charset=utf-8',
      'Cache-Control: no-store',
      `Content-Length: ${body.length}`,
      'Connection: close',
    ])
  })

  test('says nothing about a connection that stays open', () => {
    expect(text(failure, 502, true)).not.toContain('Connection')
  })

  test('names the protocol to upgrade to with 426', () => {
    const answer = text({ ...failure, code: 'UPGRADE_INVALID' }, 426, false)
    expect(answer).toContain('\r\nUpgrade: websocket\r\n')
    expect(answer).toContain('\r\nSec-WebSocket-Version: 13\r\n')
    expect(answer).toContain('\r\nConnection: Upgrade, close\r\n')
  })
})

describe('the status of a failure', () => {
  test.each([
    ['REQUEST_MALFORMED', 400],
    ['REQUEST_HEAD_TIMEOUT', 408],
    ['REQUEST_HEAD_TOO_LARGE', 431],
    ['ROUTE_NOT_FOUND', 404],
    ['NO_BACKEND', 503],
    ['GATEWAY_STOPPING', 503],
    ['BACKEND_REFUSED', 502],
    ['BACKEND_CONNECT_TIMEOUT', 504],
    ['INTERNAL', 500],
  ] as const)('%s is %i', (code, status) => {
    expect(statusOf({ code, message: '' })).toBe(status)
  })

  test('is the one the failure names, if it names one', () => {
    expect(statusOf({ code: 'REQUEST_MALFORMED', message: '', status: 505 })).toBe(505)
  })
})
