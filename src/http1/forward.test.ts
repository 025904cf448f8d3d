import { describe, expect, test } from 'vitest'
import { Fields } from './fields.ts'
import { endToEndFields, neverHopByHop } from './forward.ts'

function forwarded(lines: string[], drop?: ReadonlySet<string>): string[] {
  const fields = new Fields()
  for (const line of lines) fields.add(line.slice(0, line.indexOf(':')), line.slice(line.indexOf(':') + 2))
  return endToEndFields(fields, drop).split('\r\n').slice(0, -1)
}

describe('endToEndFields (RFC 9110 §7.6.1)', () => {
  test('keeps order, spelling and repeated fields', () => {
    const lines = [
      'X-B: 2',
      'x-a: 1',
      'X-B: 3',
      'Trailer: X-C',
      'Content-Length: 5',
      'Expect: 100-continue',
      'X-E: ',
    ]
    expect(forwarded(lines)).toEqual(lines)
    expect(forwarded([])).toEqual([])
  })

  test.each([
    'Connection: x',
    'Keep-Alive: timeout=5',
    'Proxy-Connection: keep-alive',
    'Proxy-Authorization: Basic x',
    'proxy-authenticate: Basic',
    'Proxy-Anything: x',
    'Proxy: http://evil',
    'Upgrade: websocket',
    'Transfer-Encoding: chunked',
    'TE: gzip',
  ])('leaves out %s', (line) => {
    expect(forwarded(['A: 1', line, 'B: 2'])).toEqual(['A: 1', 'B: 2'])
  })

  test('leaves out what Connection names, in any spelling and place', () => {
    const lines = [
      'X-One: 1',
      'Connection: x-one, close',
      'X-Two: 2',
      'connection: ,X-TWO,',
      'x-one: 3',
      'X-Three: 4',
    ]
    expect(forwarded(lines)).toEqual(['X-Three: 4'])
  })

  test.each([
    'Host',
    'Content-Length',
    'Content-Type',
    'Authorization',
    'Cookie',
    'Set-Cookie',
    'Forwarded',
    'X-Forwarded-For',
    'X-Forwarded-Anything',
    'X-Real-IP',
    'X-Request-Id',
    'Origin',
    'Cache-Control',
    'Sec-WebSocket-Key',
    'If-None-Match',
    'Fairlead-Session',
    'Via',
  ])('keeps %s even if Connection names it', (name) => {
    expect(forwarded([`Connection: close, ${name}`, `${name}: x`])).toEqual([`${name}: x`])
    expect(neverHopByHop(name.toLowerCase())).toBe(true)
  })

  test('tells the next hop that trailers are welcome, and nothing else of TE', () => {
    expect(forwarded(['TE: gzip;q=0.5, trailers', 'Connection: TE'])).toEqual(['TE: trailers'])
    expect(forwarded(['te: Trailers', 'X: y'])).toEqual(['X: y', 'TE: trailers'])
    expect(forwarded(['TE: trailersx'])).toEqual([])
  })

  test('leaves out what the caller replaces', () => {
    expect(forwarded(['Host: a', 'X: y', 'HOST: b'], new Set(['host']))).toEqual(['X: y'])
  })
})
