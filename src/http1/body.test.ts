import { describe, expect, test } from 'vitest'
import { BodyDecoder } from './body.ts'
import { bodyUntilClose, chunkedBody, noBody } from './framing.ts'

const limits = { bytes: 256, fields: 4 }
const latin1 = (text: string) => new Uint8Array(Buffer.from(text, 'latin1'))
const joined = (pieces: Uint8Array[]) => Buffer.concat(pieces).toString('latin1')

interface Outcome {
  out: string
  done: boolean
  failed: number
  used: number
}

/** Decodes pieces of a chunked body; `used` counts the consumed bytes. */
function decode(pieces: string[], output: 'framed' | 'content' = 'framed'): Outcome {
  const body = new BodyDecoder(chunkedBody, output, limits)
  const out: Uint8Array[] = []
  let used = 0
  for (const piece of pieces) used += body.push(latin1(piece), 0, out)
  return { out: joined(out), done: body.done, failed: body.failure?.status ?? 0, used }
}

const byByte = (text: string, output: 'framed' | 'content' = 'framed') => decode([...text], output)

describe('a body of a length', () => {
  test('ends at its last byte and leaves the rest alone', () => {
    const body = new BodyDecoder({ kind: 'length', length: 5 }, 'framed', limits)
    const out: Uint8Array[] = []
    const first = latin1('abc')
    expect(body.push(first, 0, out)).toBe(3)
    expect(out[0]).toBe(first)
    expect(body.done).toBe(false)
    expect(body.push(latin1('xxdeGET /'), 2, out)).toBe(4)
    expect(body.done).toBe(true)
    expect(joined(out)).toBe('abcde')
    expect(body.push(latin1('more'), 0, out)).toBe(0)
    expect(out.length).toBe(2)
    expect(body.end()).toBe(true)
  })

  test('of zero is done at once, like no body', () => {
    for (const framing of [{ kind: 'length', length: 0 } as const, noBody]) {
      const body = new BodyDecoder(framing, 'content', limits)
      expect(body.done).toBe(true)
      expect(body.push(latin1('x'), 0, [])).toBe(0)
      expect(body.end()).toBe(true)
    }
  })

  test('is broken when the peer ends before', () => {
    const body = new BodyDecoder({ kind: 'length', length: 5 }, 'framed', limits)
    body.push(latin1('abcd'), 0, [])
    expect(body.end()).toBe(false)
    expect(body.failure?.status).toBe(400)
  })
})

describe('a body until close', () => {
  test('takes everything until the end', () => {
    const body = new BodyDecoder(bodyUntilClose, 'framed', limits)
    const out: Uint8Array[] = []
    expect(body.push(latin1('abc'), 0, out)).toBe(3)
    expect(body.push(latin1('def'), 1, out)).toBe(3)
    expect(joined(out)).toBe('abcef')
    expect(body.done).toBe(false)
    expect(body.end()).toBe(true)
    expect(body.done).toBe(true)
  })
})

describe('a chunked body that comes in whole lines', () => {
  test('passes as the very buffer it came in', () => {
    const body = new BodyDecoder(chunkedBody, 'framed', limits)
    const out: Uint8Array[] = []
    const chunk = latin1('3\r\nabc\r\n0A\r\n0123456789\r\n0\r\n\r\n')
    expect(body.push(chunk, 0, out)).toBe(chunk.length)
    expect(out).toHaveLength(1)
    expect(out[0]).toBe(chunk)
    expect(body.done).toBe(true)
  })

  test('ends at its last byte and leaves the rest alone', () => {
    const text = '1\r\na\r\n0\r\n\r\n'
    expect(decode([`${text}GET / HTTP/1.1`])).toEqual({ out: text, done: true, failed: 0, used: text.length })
    expect(byByte(`${text}GET`)).toEqual({ out: text, done: true, failed: 0, used: text.length })
  })

  test('passes data of a chunk as it comes, without waiting for its end', () => {
    expect(decode(['a\r\n012'])).toEqual({ out: 'a\r\n012', done: false, failed: 0, used: 6 })
    expect(decode(['a\r\n012', '345'])).toEqual({ out: 'a\r\n012345', done: false, failed: 0, used: 9 })
  })

  test('gives only its data for a receiver of HTTP/1.0', () => {
    const text = '3\r\nabc\r\n2;x\r\nde\r\n0\r\nX: y\r\n\r\n'
    for (const result of [decode([text], 'content'), byByte(text, 'content')]) {
      expect(result).toEqual({ out: 'abcde', done: true, failed: 0, used: text.length })
    }
  })

  test('is broken when the peer ends before the last chunk', () => {
    for (const text of ['', '1', '1\r\n', '1\r\na', '1\r\na\r\n', '0\r\n', '0\r\nX: y\r\n']) {
      const body = new BodyDecoder(chunkedBody, 'framed', limits)
      body.push(latin1(text), 0, [])
      expect(body.end()).toBe(false)
      expect(body.done).toBe(false)
    }
  })
})

describe('a size line that is cut', () => {
  test('goes on only when it is complete, in canonical form', () => {
    expect(decode(['00', '1A']).out).toBe('')
    expect(decode(['00', '1A\r']).out).toBe('')
    expect(decode(['00', '1A\r', '\n']).out).toBe('1a\r\n')
    expect(decode(['00', '1A\r\n', 'x']).out).toBe('1a\r\nx')
  })

  test('goes on never when its end is wrong', () => {
    expect(decode(['5', 'g'])).toMatchObject({ out: '', failed: 400 })
    expect(decode(['1\r\na\r\n5', '\n'])).toMatchObject({ out: '1\r\na\r\n', failed: 400 })
  })

  test('the line end behind the data is held like it', () => {
    expect(decode(['1\r\na\r']).out).toBe('1\r\na')
    expect(decode(['1\r\na\r', '\n']).out).toBe('1\r\na\r\n')
    expect(decode(['1\r\na\r', 'x'])).toMatchObject({ out: '1\r\na', failed: 400 })
  })

  test('the last chunk is held until its trailers are complete', () => {
    expect(decode(['1\r\na\r\n0\r\n']).out).toBe('1\r\na\r\n')
    expect(decode(['1\r\na\r\n0\r\n', '\r'])).toMatchObject({ out: '1\r\na\r\n', done: false })
    expect(decode(['1\r\na\r\n0\r\n', '\r', '\n'])).toMatchObject({ out: '1\r\na\r\n0\r\n\r\n', done: true })
  })
})

describe('chunk sizes (RFC 9112 §7.1)', () => {
  test.each([
    ['empty', '\r\n'],
    ['a plus sign', '+1\r\na\r\n'],
    ['a minus sign', '-1\r\na\r\n'],
    ['0x', '0x1\r\na\r\n'],
    ['an underscore', '1_0\r\n'],
    ['a letter beyond f', '1g\r\n'],
    ['a leading space', ' 1\r\na\r\n'],
    ['a trailing space', '1 \r\na\r\n'],
    ['a trailing tab', '1\t\r\na\r\n'],
    ['a space before the extension', '1 ;x\r\na\r\n'],
    ['a dot', '1.0\r\na\r\n'],
    ['NUL', '1\0\r\na\r\n'],
    ['a full-width digit', '\xef\xbc\x91\r\na\r\n'],
    ['16 digits', '0000000000000001\r\na\r\n'],
    ['beyond the safe integers', '20000000000000\r\na\r\n'],
    ['2^64 + 1', '10000000000000001\r\na\r\n'],
    ['digits without end', 'f'.repeat(10_000)],
    ['a bare LF', '1\na\r\n'],
    ['a bare CR', '1\ra\r\n'],
    ['CR CR LF', '1\r\r\na\r\n'],
    ['a second line end', '1\r\n\r\na\r\n'],
  ])('%s is refused', (_, text) => {
    expect(decode([text])).toMatchObject({ failed: 400, done: false })
    expect(byByte(text)).toMatchObject({ failed: 400, done: false })
  })

  test('15 digits and the largest safe integer are fine', () => {
    expect(decode(['000000000000001\r\na'])).toMatchObject({ failed: 0 })
    expect(decode(['1fffffffffffff\r\na'])).toMatchObject({ failed: 0 })
    expect(byByte('1fffffffffffff\r\na')).toMatchObject({ out: '1fffffffffffff\r\na', failed: 0 })
  })
})

describe('the line end behind chunk data', () => {
  test.each([
    ['missing', '1\r\nab\r\n'],
    ['a bare LF', '1\r\na\n0\r\n\r\n'],
    ['a bare CR', '1\r\na\r0\r\n\r\n'],
    ['LF CR', '1\r\na\n\r'],
    ['a space before it', '1\r\na \r\n'],
  ])('%s is refused; the data before it has gone on', (_, text) => {
    expect(decode([text])).toMatchObject({ out: '1\r\na', failed: 400 })
    expect(byByte(text)).toMatchObject({ out: '1\r\na', failed: 400 })
  })
})

describe('chunk extensions (RFC 9112 §7.1.1)', () => {
  test.each(['1;x', '1;x=y', '1;x="y;z"', '1; x', '1;', '1;;', '01;\tx'])(
    '%s: the extension is dropped',
    (line) => {
      const text = `${line}\r\na\r\n0;last\r\n\r\n`
      for (const result of [decode([text]), byByte(text)]) {
        expect(result).toEqual({ out: '1\r\na\r\n0\r\n\r\n', done: true, failed: 0, used: text.length })
      }
    },
  )

  test.each([
    ['TERM.EXT: LF ends the line', '1;\na\r\n0\r\n\r\n'],
    ['TERM.EXT: CR ends the line', '1;\ra\r\n0\r\n\r\n'],
    ['EXT.TERM: LF within the extension', '1;x\nab\r\na\r\n'],
    ['EXT.TERM: CR within the extension', '1;x\rab\r\na\r\n'],
    ['two bare LF', '1;x\n\na\r\n0\r\n\r\n'],
    ['a line end within quotes', '1;x="\n"\r\na\r\n'],
    ['NUL', '1;\0\r\na\r\n'],
    ['a byte beyond ASCII', '1;\xe9\r\na\r\n'],
    ['DEL', '1;\x7f\r\na\r\n'],
    ['CR CR LF', '1;x\r\r\na\r\n'],
    ['LF in the last line', '0;\n\r\n'],
  ])('%s is refused', (_, text) => {
    expect(decode([text])).toMatchObject({ out: '', failed: 400 })
    expect(byByte(text)).toMatchObject({ out: '', failed: 400 })
  })

  test('are bounded in one line', () => {
    const text = (length: number) => `1;${'x'.repeat(length)}\r\na\r\n`
    expect(decode([text(256)])).toMatchObject({ failed: 0 })
    expect(decode([text(257)])).toMatchObject({ failed: 400 })
    expect(byByte(text(257))).toMatchObject({ failed: 400 })
  })

  test('are bounded over the whole body when they outweigh the data', () => {
    const tiny = `1;${'x'.repeat(200)}\r\na\r\n`
    expect(decode([tiny.repeat(20)])).toMatchObject({ failed: 0 })
    expect(decode([tiny.repeat(21)])).toMatchObject({ failed: 400 })
    const fair = `c8;${'x'.repeat(200)}\r\n${'a'.repeat(200)}\r\n`
    expect(decode([fair.repeat(500)])).toMatchObject({ failed: 0 })
  })
})

describe('trailers (RFC 9112 §7.1.2)', () => {
  const trailers = (...lines: string[]) => `0\r\n${lines.map((line) => `${line}\r\n`).join('')}\r\n`

  test('go on in canonical form', () => {
    const text = trailers('X-A:  b ', 'Content-MD5: x', 'Digest:y')
    const out = '0\r\nX-A: b\r\nContent-MD5: x\r\nDigest: y\r\n\r\n'
    for (const result of [decode([text]), byByte(text), decode([`${text}GET`])]) {
      expect(result).toEqual({ out, done: true, failed: 0, used: text.length })
    }
  })

  test.each([
    'Transfer-Encoding: chunked',
    'Content-Length: 5',
    'Host: evil',
    'Connection: close',
    'Trailer: X',
    'Authorization: Basic x',
    'Cookie: a=b',
    'Set-Cookie: a=b',
    'Content-Type: text/html',
    'Content-Encoding: gzip',
    'Content-Range: bytes 0-1/2',
    'Proxy-Authorization: x',
    'X-Forwarded-For: 1.2.3.4',
    'X-Real-IP: 1.2.3.4',
    'Forwarded: for=1.2.3.4',
    'Sec-WebSocket-Key: x',
    'If-Match: x',
    'Location: /',
    'Cache-Control: no-store',
    'Upgrade: websocket',
    'TE: trailers',
    'Expect: 100-continue',
    'Fairlead-Session: x',
  ])('%s is dropped (RFC 9110 §6.5.1)', (line) => {
    expect(decode([trailers('A: 1', line, 'B: 2')]).out).toBe('0\r\nA: 1\r\nB: 2\r\n\r\n')
    expect(decode([trailers(line.toUpperCase())]).out).toBe('0\r\n\r\n')
  })

  test('the empty line at their end is CRLF like every other', () => {
    for (const text of ['0\r\n\rX', '0\r\n\n', '0\r\n\r\r\n', '0\r\nX: y\r\n\rX', '0\r\nX: y\r\n\n']) {
      expect(decode([text])).toMatchObject({ out: '', failed: 400, done: false })
      expect(byByte(text)).toMatchObject({ out: '', failed: 400, done: false })
    }
  })

  test.each([
    ['no colon', 'x'],
    ['space before the colon', 'X : y'],
    ['folding', 'X: y\r\n z'],
    ['bare LF', 'X: y\nZ: w'],
    ['bare CR', 'X: y\rZ: w'],
    ['NUL', 'X: \0'],
  ])('%s is refused, and the last chunk never goes on', (_, line) => {
    expect(decode([trailers(line)])).toMatchObject({ out: '', failed: 400, done: false })
    expect(byByte(trailers(line))).toMatchObject({ out: '', failed: 400, done: false })
  })

  test('are bounded in bytes and in fields', () => {
    expect(decode([trailers('A: 1', 'B: 2', 'C: 3', 'D: 4')])).toMatchObject({ failed: 0 })
    expect(decode([trailers('A: 1', 'B: 2', 'C: 3', 'D: 4', 'E: 5')])).toMatchObject({ out: '', failed: 431 })
    expect(decode([trailers(`A: ${'x'.repeat(249)}`)])).toMatchObject({ failed: 0, done: true })
    expect(decode([trailers(`A: ${'x'.repeat(250)}`)])).toMatchObject({ out: '', failed: 431 })
    expect(byByte(`0\r\nA: ${'x'.repeat(100_000)}`)).toMatchObject({ failed: 431 })
  })
})
