import { describe, expect, test } from 'vitest'
import { isFailure } from './failure.ts'
import { parseResponseHead, type ResponseHead } from './response-head.ts'

const limits = { bytes: 16_384, fields: 8 }

function parse(text: string, method = 'GET') {
  const bytes = new Uint8Array(Buffer.from(text, 'latin1'))
  return parseResponseHead(bytes, 0, bytes.length, limits, method)
}

function accepted(text: string, method = 'GET'): ResponseHead {
  const head = parse(text, method)
  if (isFailure(head)) throw new Error(`refused with ${head.status}: ${head.reason}`)
  return head
}

const answer = (status: string, ...lines: string[]) =>
  `HTTP/1.1 ${status}\r\n${lines.map((l) => `${l}\r\n`).join('')}\r\n`

describe('a plain response', () => {
  test('is taken apart', () => {
    const head = accepted(answer('404 Not here', 'Content-Length: 5', 'X-A: b'))
    expect(head).toMatchObject({
      status: 404,
      reason: 'Not here',
      minor: 1,
      framing: { kind: 'length', length: 5 },
      keepAlive: true,
      upgrade: null,
    })
    expect(head.fields.get('x-a')).toBe('b')
  })

  test('may have an empty reason, with or without the space before it', () => {
    expect(accepted(answer('200 ')).reason).toBe('')
    expect(accepted(answer('200')).reason).toBe('')
    expect(accepted(answer('200 O\tK\xe9 ')).reason).toBe('O\tK\xe9 ')
  })
})

describe('the status line (RFC 9112 §4)', () => {
  test.each([
    'HTTP/1.1',
    'HTTP/1.1 ',
    'HTTP/1.1  200 OK',
    'HTTP/1.1\t200 OK',
    'HTTP/1.1 20 OK',
    'HTTP/1.1 2000 OK',
    'HTTP/1.1 099 OK',
    'HTTP/1.1 600 OK',
    'HTTP/1.1 2x0 OK',
    'HTTP/1.1 +20 OK',
    'HTTP/1.1 200OK',
    'HTTP/1.1 200\tOK',
    'HTTP/1.1 200 O\0K',
    'HTTP/1.1 200 O\rK',
    'HTTP/1.1 200 OK\r',
    'HTTP/1.1 200 OK\nX: y',
    ' HTTP/1.1 200 OK',
    'http/1.1 200 OK',
    'ICY 200 OK, more text',
    'HTTP/1.10 200 OK',
    '\r\nHTTP/1.1 200 OK',
  ])('%j is refused', (line) => {
    expect(parse(`${line}\r\nContent-Length: 0\r\n\r\n`)).toMatchObject({ failed: true, status: 400 })
  })

  test.each(['HTTP/1.2 200 OK', 'HTTP/2.0 200 OK', 'HTTP/2 200 OK'])('%s is another version', (line) => {
    expect(parse(`${line}\r\n\r\n`)).toMatchObject({ failed: true, status: 505 })
  })

  test('ranges too short to be a head are refused', () => {
    for (const text of ['', '\r\n\r\n', 'HTTP/1.1\r\n\r\n']) expect(isFailure(parse(text))).toBe(true)
  })
})

describe('framing (RFC 9112 §6.3)', () => {
  test('without a declaration the body lasts until close', () => {
    expect(accepted(answer('200 OK'))).toMatchObject({ framing: { kind: 'close' }, keepAlive: false })
  })

  test.each([
    ['an answer to HEAD', '200 OK', 'HEAD', true],
    ['304', '304 Not Modified', 'GET', true],
    ['204', '204 No Content', 'GET', false],
    ['100', '100 Continue', 'POST', false],
    ['103', '103 Early Hints', 'GET', false],
  ])('%s has no body; its Content-Length stays: %s %s %s', (_, status, method, stays) => {
    const head = accepted(answer(status, 'X-A: b', 'Content-Length: 5', 'X-C: d'), method)
    expect(head.framing).toEqual({ kind: 'none' })
    expect(head.keepAlive).toBe(true)
    expect(head.fields.keys).toEqual(stays ? ['x-a', 'content-length', 'x-c'] : ['x-a', 'x-c'])
    expect(accepted(answer(status, 'Transfer-Encoding: chunked'), method).framing).toEqual({ kind: 'none' })
  })

  test('101 ends HTTP on the connection', () => {
    const head = accepted(answer('101 Switching Protocols', 'Connection: Upgrade', 'Upgrade: WebSocket'))
    expect(head).toMatchObject({ framing: { kind: 'none' }, keepAlive: false, upgrade: 'websocket' })
  })

  test.each([
    [['Content-Length: 5', 'Transfer-Encoding: chunked']],
    [['Content-Length: 5', 'Content-Length: 5']],
    [['Content-Length: 5', 'Content-Length: 6']],
    [['Content-Length: 5, 5']],
    [['Content-Length: -1']],
    [['Content-Length: ']],
    [['Transfer-Encoding: chunked', 'Transfer-Encoding: chunked']],
    [['Transfer-Encoding: identity']],
    [['Transfer-Encoding: xchunked']],
    [['Transfer-Encoding: gzip, chunked']],
  ])('%j is a broken backend, whatever the status', (lines) => {
    for (const status of ['200 OK', '204 No Content', '304 Not Modified', '100 Continue']) {
      expect(isFailure(parse(answer(status, ...lines)))).toBe(true)
      expect(isFailure(parse(answer(status, ...lines), 'HEAD'))).toBe(true)
    }
  })

  test('Transfer-Encoding in HTTP/1.0 is refused', () => {
    expect(isFailure(parse('HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n'))).toBe(true)
  })
})

describe('reuse of the connection (RFC 9112 §9.3)', () => {
  const old = (...lines: string[]) => answer('200 OK', 'Content-Length: 0', ...lines).replace('1.1', '1.0')

  test.each([
    [answer('200 OK', 'Content-Length: 0'), true],
    [answer('200 OK', 'Transfer-Encoding: chunked'), true],
    [answer('200 OK', 'Content-Length: 0', 'Connection: close'), false],
    [answer('200 OK', 'Connection: keep-alive'), false],
    [old(), false],
    [old('Connection: keep-alive'), true],
  ])('%j may be followed by another: %s', (text, expected) => {
    expect(accepted(text).keepAlive).toBe(expected)
  })
})
