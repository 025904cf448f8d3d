import { describe, expect, test } from 'vitest'
import { isFailure } from './failure.ts'
import { parseRequestHead, type RequestHead } from './request-head.ts'

const limits = { bytes: 16_384, fields: 8 }

function parse(text: string) {
  const bytes = new Uint8Array(Buffer.from(text, 'latin1'))
  return parseRequestHead(bytes, 0, bytes.length, limits)
}

function accepted(text: string): RequestHead {
  const head = parse(text)
  if (isFailure(head)) throw new Error(`refused with ${head.status}: ${head.reason}`)
  return head
}

function status(text: string): number {
  const head = parse(text)
  return isFailure(head) ? head.status : 200
}

/** A request with further field lines. */
const get = (...lines: string[]) =>
  `GET / HTTP/1.1\r\nHost: a\r\n${lines.map((l) => `${l}\r\n`).join('')}\r\n`
const post = (...lines: string[]) => get(...lines).replace('GET', 'POST')
/** A request with another request line. */
const line = (text: string) => `${text}\r\nHost: a\r\n\r\n`
/** A request with another Host line. */
const host = (value: string) => `GET / HTTP/1.1\r\nHost: ${value}\r\n\r\n`

describe('a plain request', () => {
  test('is taken apart', () => {
    const head = accepted(
      'GET /chat?id=1 HTTP/1.1\r\nHost: Example.com:8080\r\nX-A: 1\r\nx-a:\t two \r\n\r\n',
    )
    expect(head).toMatchObject({
      method: 'GET',
      target: '/chat?id=1',
      path: '/chat',
      query: '?id=1',
      minor: 1,
      authority: 'Example.com:8080',
      host: 'example.com',
      framing: { kind: 'none' },
      keepAlive: true,
      expectContinue: false,
      upgrade: null,
    })
    expect(head.fields.names).toEqual(['Host', 'X-A', 'x-a'])
    expect(head.fields.keys).toEqual(['host', 'x-a', 'x-a'])
    expect(head.fields.values).toEqual(['Example.com:8080', '1', 'two'])
  })

  test('may lie anywhere in a buffer', () => {
    const text = get('X-A: 1')
    const bytes = Buffer.from(`junk${text}junk`, 'latin1')
    const head = parseRequestHead(bytes, 4, 4 + text.length, limits)
    expect(isFailure(head) ? head : head.fields.get('x-a')).toBe('1')
  })

  test('may follow one empty line (RFC 9112 §2.2)', () => {
    expect(status(`\r\n${get()}`)).toBe(200)
    expect(status(`\r\n\r\n${get()}`)).toBe(400)
    expect(status(`\n${get()}`)).toBe(400)
  })

  test('keeps obs-text and inner whitespace of values (RFC 9110 §5.5)', () => {
    expect(accepted(get('X-A: a \t b\xe9\xff')).fields.get('x-a')).toBe('a \t b\xe9\xff')
    expect(accepted(get('X-A:')).fields.get('x-a')).toBe('')
    expect(accepted(get('X-A: \t ')).fields.get('x-a')).toBe('')
  })
})

describe('the request line (RFC 9112 §3)', () => {
  test.each([
    ['an unknown method', 'FOO / HTTP/1.1', 200],
    ['a method in lower case', 'patch / HTTP/1.1', 200],
    ['a method of 32 characters', `${'M'.repeat(32)} / HTTP/1.1`, 200],
    ['a method of 33 characters', `${'M'.repeat(33)} / HTTP/1.1`, 501],
    ['CONNECT', 'CONNECT a:80 HTTP/1.1', 501],
    ['CONNECT in mixed case', 'Connect a:80 HTTP/1.1', 501],
    ['HEAD in lower case, which a neighbour may take for HEAD', 'head / HTTP/1.1', 501],
    ['a method that is no token', 'G(T / HTTP/1.1', 400],
    ['a missing method', ' / HTTP/1.1', 400],
    ['a leading space', ' GET / HTTP/1.1', 400],
    ['a space before the line end', 'GET / HTTP/1.1 ', 400],
    ['two spaces before the target', 'GET  / HTTP/1.1', 400],
    ['two spaces before the version', 'GET /  HTTP/1.1', 400],
    ['a tab for a space', 'GET\t/ HTTP/1.1', 400],
    ['a tab before the version', 'GET /\tHTTP/1.1', 400],
    ['a vertical tab for a space', 'GET\x0b/ HTTP/1.1', 400],
    ['a space in the target', 'GET /a b HTTP/1.1', 400],
    ['HTTP/0.9', 'GET /', 400],
    ['an empty target', 'GET  HTTP/1.1', 400],
    ['NUL in the target', 'GET /\0 HTTP/1.1', 400],
    ['a byte beyond ASCII in the target', 'GET /\xe9 HTTP/1.1', 400],
    ['DEL in the target', 'GET /\x7f HTTP/1.1', 400],
    ['a bare CR in the target', 'GET /\rX HTTP/1.1', 400],
    ['a bare CR for the second space', 'GET /\rHTTP/1.1', 400],
    ['a bare LF in the line', 'GET / HTTP/1.1\nX: y', 400],
    ['CR CR LF', 'GET / HTTP/1.1\r', 400],
  ])('%s: %j', (_, text, expected) => {
    expect(status(line(text))).toBe(expected)
  })

  test.each([
    ['HTTP/1.1', 200],
    ['HTTP/1.0', 200],
    ['HTTP/1.2', 505],
    ['HTTP/2.0', 505],
    ['HTTP/2', 505],
    ['HTTP/0.9', 505],
    ['HTTP/3', 505],
    ['HTTP/1.01', 400],
    ['HTTP/01.1', 400],
    ['HTTP/1.', 400],
    ['HTTP/1,1', 400],
    ['HTTP/1.1a', 400],
    ['HTTP/+1.1', 400],
    ['HTTP /1.1', 400],
    ['http/1.1', 400],
    ['Http/1.1', 400],
    ['HTTPS/1.1', 400],
    ['HTT', 400],
    ['ICY', 400],
  ])('version %s gets %i (RFC 9110 §2.5, §15.6.6)', (version, expected) => {
    expect(status(line(`GET / ${version}`))).toBe(expected)
  })

  test('the preface of HTTP/2 is answered with 505', () => {
    expect(status('PRI * HTTP/2.0\r\n\r\n')).toBe(505)
  })
})

describe('the request target (RFC 9112 §3.2)', () => {
  test.each([
    ['/a/./b/../c?x=../y', '/a/c?x=../y'],
    ['/%7euser/%2e%2e/%41', '/A'],
    ['/a%2fb', '/a%2Fb'],
    ['//a//b', '//a//b'],
    ['/?', '/?'],
    ['/?a?b', '/?a?b'],
    ['/?a\\b%zz', '/?a\\b%zz'],
    ['http://a', '/'],
    ['http://a/', '/'],
    ['HTTP://A/x', '/x'],
    ['http://a?q', '/?q'],
    ['http://a:80/x', '/x'],
    ['https://a/x?y', '/x?y'],
    ['https://a:443/', '/'],
  ])('%s is forwarded as %s', (target, expected) => {
    const head = accepted(line(`GET ${target} HTTP/1.1`))
    expect(head.target).toBe(expected)
    expect(head.path + head.query).toBe(expected)
    expect(head.host).toBe('a')
  })

  test.each([
    'a/b',
    'a:80',
    '*',
    '/#top',
    '/a?b#c',
    '#',
    'ftp://a/',
    'ws://a/',
    'http:/a',
    'http:///x',
    'http://',
    'http://user@a/',
    'http://user:pw@a/',
    'http://a@b/',
    'http://a\\b/',
    'http://a:99999/',
    'http://a:/',
    '/\\a',
    '\\a',
    '/%',
    '/%0',
    '/%zz',
    '/%00',
    '/a%2',
    '?q',
  ])('%s is refused', (target) => {
    expect(status(line(`GET ${target} HTTP/1.1`))).toBe(400)
  })

  test('* is for OPTIONS only, also as an absolute form without path (§3.2.4)', () => {
    expect(accepted(line('OPTIONS * HTTP/1.1'))).toMatchObject({ target: '*', path: '*', query: '' })
    expect(accepted(line('OPTIONS http://a HTTP/1.1')).target).toBe('*')
    expect(accepted(line('OPTIONS http://a/ HTTP/1.1')).target).toBe('/')
    expect(accepted(line('OPTIONS http://a?q HTTP/1.1')).target).toBe('/?q')
    expect(status(line('OPTIONS ** HTTP/1.1'))).toBe(400)
  })

  test('an absolute form must agree with Host', () => {
    const request = (target: string, value: string) => `GET ${target} HTTP/1.1\r\nHost: ${value}\r\n\r\n`
    expect(status(request('http://a/', 'b'))).toBe(400)
    expect(status(request('http://a:81/', 'a'))).toBe(400)
    expect(status(request('http://a/', 'a:81'))).toBe(400)
    expect(status(request('http://a:443/', 'a'))).toBe(400)
    expect(status(request('http://a:80/', 'A'))).toBe(200)
    expect(accepted(request('http://A:81/', 'a:81'))).toMatchObject({ authority: 'A:81', host: 'a' })
    expect(status('GET http://a/ HTTP/1.1\r\n\r\n')).toBe(400)
    expect(accepted('GET http://a:81/ HTTP/1.0\r\n\r\n')).toMatchObject({ authority: 'a:81', host: 'a' })
  })
})

describe('Host (RFC 9112 §3.2)', () => {
  test.each([
    ['a', 'a'],
    ['A.Example.COM:8080', 'a.example.com'],
    ['example.com.', 'example.com'],
    ['example.com.:80', 'example.com'],
    ['127.0.0.1:80', '127.0.0.1'],
    ['[::1]:80', '[::1]'],
    ['[2001:DB8::1]', '[2001:db8::1]'],
    ['my_service', 'my_service'],
  ])('%s is the host %s', (value, expected) => {
    expect(accepted(host(value)).host).toBe(expected)
    expect(accepted(host(value)).authority).toBe(value)
  })

  test.each([
    '',
    ':80',
    'a:',
    'a:x',
    'a:-1',
    'a:65536',
    'a:000080',
    'a b',
    'a,b',
    'a/b',
    'a?b',
    'a\\b',
    'user@a',
    'a:80:80',
    '::1',
    '[::1',
    '[::1]x',
    '[fe80::1%25eth0]',
    '[v1.x]',
    'a%41',
    '.',
    '.a',
    'a..b',
    'a..',
    'caf\xe9',
    'http://a',
  ])('%j is refused', (value) => {
    expect(status(host(value))).toBe(400)
  })

  test('stands there once, and must in HTTP/1.1', () => {
    expect(status('GET / HTTP/1.1\r\n\r\n')).toBe(400)
    expect(status(get('Host: a'))).toBe(400)
    expect(status(get('HOST: b'))).toBe(400)
    expect(status('GET / HTTP/1.0\r\nHost: a\r\nHost: a\r\n\r\n')).toBe(400)
    expect(accepted('GET / HTTP/1.0\r\n\r\n')).toMatchObject({ authority: '', host: '' })
  })
})

describe('field lines (RFC 9112 §5)', () => {
  test.each([
    ['space before the colon (§5.1)', 'X-A : b'],
    ['tab before the colon', 'X-A\t: b'],
    ['folded line (§5.2)', 'X-A: b\r\n c'],
    ['folded line with a tab', 'X-A: b\r\n\tc'],
    ['line without colon', 'X-A'],
    ['empty name', ': b'],
    ['name that is no token', 'X(A: b'],
    ['name with a slash', 'X/A: b'],
    ['name with a byte beyond ASCII', 'X\xe9: b'],
    ['name with NUL', 'X\0A: b'],
    ['name with a CR', 'X\rA: b'],
    ['NUL in a value', 'X-A: b\0c'],
    ['DEL in a value', 'X-A: b\x7fc'],
    ['vertical tab in a value', 'X-A: b\x0bc'],
    ['form feed in a value', 'X-A: \x0c'],
    ['escape character in a value', 'X-A: \x1b[0m'],
    ['bare CR in a value (§2.2)', 'X-A: b\rc'],
    ['bare CR that looks like a new line', 'X-A: b\rTransfer-Encoding: chunked'],
    ['bare LF in a value (§2.2)', 'X-A: b\nTransfer-Encoding: chunked'],
    ['CR CR LF', 'X-A: b\r'],
  ])('%s is refused', (_, text) => {
    expect(status(get(text))).toBe(400)
    expect(status(get(text, 'X-B: c'))).toBe(400)
  })

  test('a folded first line is refused', () => {
    expect(status('GET / HTTP/1.1\r\n Host: a\r\n\r\n')).toBe(400)
  })

  test('more lines than the limit get 431', () => {
    const lines = (count: number) => Array.from({ length: count }, (_, i) => `X-${i}: a`)
    expect(status(get(...lines(7)))).toBe(200)
    expect(status(get(...lines(8)))).toBe(431)
  })

  test('a range that is no head is refused without reading beyond it', () => {
    expect(status('')).toBe(400)
    expect(status('\r\n')).toBe(400)
    expect(status('\r\n\r\n')).toBe(400)
    expect(status('GET / HTTP/1.1\r\nHost: a\r\n')).toBe(400)
    const bytes = Buffer.from(get('X-A: b'))
    expect(isFailure(parseRequestHead(bytes, 0, bytes.length + 9, limits))).toBe(true)
    expect(isFailure(parseRequestHead(bytes, 0, 16, limits))).toBe(true)
  })
})

describe('framing (RFC 9112 §6)', () => {
  test.each([
    ['0', 0],
    ['5', 5],
    ['9007199254740991', Number.MAX_SAFE_INTEGER],
    ['0005', 5],
  ])('Content-Length %s is a length', (value, length) => {
    const head = accepted(post(`Content-Length: ${value}`))
    expect(head.framing).toEqual({ kind: 'length', length })
    expect(head.fields.get('content-length')).toBe(String(length))
  })

  test.each(['Chunked', 'chunked', 'CHUNKED', '\tchunked '])('Transfer-Encoding %j is chunked', (value) => {
    expect(accepted(post(`Transfer-Encoding:${value}`)).framing).toEqual({ kind: 'chunked' })
  })

  test.each([
    '',
    '+5',
    '-5',
    '-0',
    '0x5',
    '5.0',
    '5e0',
    '5 5',
    '5,5',
    '5, 5',
    '5;',
    '5\x0b',
    '\x0b5',
    '5_0',
    '９',
    'five',
    '9007199254740992',
    '99999999999999999999',
    '1'.repeat(400),
  ])('Content-Length %j is refused (RFC 9110 §8.6)', (value) => {
    expect(status(post(`Content-Length: ${value}`))).toBe(400)
  })

  test.each([
    'xchunked',
    'chunkedx',
    'chunke',
    'chunked, chunked',
    'chunked,',
    ',chunked',
    'chunked;q=1',
    '"chunked"',
    'identity',
    'identity, chunked',
    'chunked, identity',
    'chunked gzip',
    'gzip',
    'x',
    '',
    '\x0bchunked',
    'chunked\x0b',
    'chunked\0',
    'ch\xfcnked',
    'chun\rked',
  ])('Transfer-Encoding %j is refused (§6.1)', (value) => {
    expect(status(post(`Transfer-Encoding: ${value}`))).toBe(400)
  })

  test.each([
    ['Transfer-Encoding : chunked'],
    ['Transfer-Encoding\t: chunked'],
    [' Transfer-Encoding: chunked'],
    ['X: y\rTransfer-Encoding: chunked'],
    ['X: y\nTransfer-Encoding: chunked'],
    ['Transfer-Encoding: chunked\r\n x'],
    ['Transfer-Encoding:\r\n chunked'],
    ['Transfer\0-Encoding: chunked'],
    ['\x0bTransfer-Encoding: chunked'],
  ])('obfuscated %j is refused', (text) => {
    expect(status(post(text, 'Content-Length: 5'))).toBe(400)
    expect(status(post(text))).toBe(400)
  })

  test('a coding that exists but is not spoken here gets 501 (§6.1)', () => {
    expect(status(post('Transfer-Encoding: gzip, chunked'))).toBe(501)
    expect(status(post('Transfer-Encoding: deflate,x-gzip ,chunked'))).toBe(501)
  })

  test.each([
    ['CL.TE', 'Content-Length: 5', 'Transfer-Encoding: chunked'],
    ['TE.CL', 'Transfer-Encoding: chunked', 'Content-Length: 5'],
    ['a nonsense TE with CL', 'Transfer-Encoding: x', 'Content-Length: 5'],
    ['two equal lengths', 'Content-Length: 5', 'Content-Length: 5'],
    ['two lengths', 'Content-Length: 5', 'content-length: 6'],
    ['chunked twice', 'Transfer-Encoding: chunked', 'Transfer-Encoding: chunked'],
    ['chunked and identity', 'Transfer-Encoding: chunked', 'transfer-encoding: identity'],
    ['an empty second TE', 'Transfer-Encoding: chunked', 'Transfer-encoding:'],
  ])('%s is refused (§6.3)', (_, first, second) => {
    expect(status(post(first, second))).toBe(400)
    expect(status(post(second, 'X-A: b', first))).toBe(400)
  })

  test('Transfer-Encoding in HTTP/1.0 is refused (§6.1)', () => {
    expect(status('POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n')).toBe(400)
    expect(accepted('POST / HTTP/1.0\r\nContent-Length: 1\r\n\r\n').framing).toEqual({
      kind: 'length',
      length: 1,
    })
  })

  test('a name that only resembles a framing field frames nothing', () => {
    const head = accepted(post('Content_Length: 5', 'Transfer_Encoding: chunked', 'X-Content-Length: 5'))
    expect(head.framing).toEqual({ kind: 'none' })
  })
})

describe('the connection (RFC 9112 §9.3)', () => {
  const oldGet = (value: string) => `GET / HTTP/1.0\r\n${value}\r\n\r\n`

  test.each([
    [get(), true],
    [get('Connection: close'), false],
    [get('Connection: Keep-Alive, CLOSE'), false],
    [get('Connection: x', 'Connection: close'), false],
    [get('Connection: , ,close,'), false],
    [get('Connection: closed'), true],
    [oldGet('X: y'), false],
    [oldGet('Connection: keep-alive'), true],
    [oldGet('Connection: Keep-Alive'), true],
    [oldGet('Connection: keep-alive, close'), false],
    [oldGet('Proxy-Connection: keep-alive'), false],
  ])('%j persists: %s', (text, expected) => {
    expect(accepted(text).keepAlive).toBe(expected)
  })

  test('options that are no tokens are refused', () => {
    expect(status(get('Connection: "close"'))).toBe(400)
    expect(status(get('Connection: close;x'))).toBe(400)
    expect(status(get('Connection: keep alive'))).toBe(400)
  })

  test('an upgrade counts only when Connection lists it, in HTTP/1.1 (RFC 9110 §7.8)', () => {
    expect(accepted(get('Connection: keep-alive, Upgrade', 'Upgrade: WebSocket')).upgrade).toBe('websocket')
    expect(accepted(get('Connection: upgrade', 'Upgrade: a', 'Upgrade: b')).upgrade).toBe('a, b')
    expect(accepted(get('Upgrade: websocket')).upgrade).toBeNull()
    expect(accepted(get('Connection: upgrade')).upgrade).toBeNull()
    expect(accepted(oldGet('Connection: upgrade\r\nUpgrade: websocket')).upgrade).toBeNull()
  })
})

describe('Expect (RFC 9110 §10.1.1)', () => {
  test('100-continue is told when there is a body to wait for', () => {
    expect(accepted(post('Expect: 100-Continue', 'Content-Length: 5')).expectContinue).toBe(true)
    expect(accepted(post('Expect: 100-continue', 'Transfer-Encoding: chunked')).expectContinue).toBe(true)
    expect(accepted(get('Expect: 100-continue')).expectContinue).toBe(false)
    const old = 'POST / HTTP/1.0\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n'
    expect(accepted(old).expectContinue).toBe(false)
  })

  test('anything else gets 417', () => {
    expect(status(post('Expect: 200-ok'))).toBe(417)
    expect(status(post('Expect: '))).toBe(417)
    expect(status(post('Expect: 100-continue', 'Expect: 100-continue'))).toBe(417)
    expect(status(post('Expect: 100-continue, x'))).toBe(417)
  })
})
