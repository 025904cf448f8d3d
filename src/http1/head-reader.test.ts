import { describe, expect, test } from 'vitest'
import { type HeadFailure, isFailure } from './failure.ts'
import { HeadReader } from './head-reader.ts'
import { parseRequestHead, type RequestHead } from './request-head.ts'
import { parseResponseHead } from './response-head.ts'

const limits = { bytes: 128, fields: 8 }
const parse = (bytes: Uint8Array, start: number, end: number) => parseRequestHead(bytes, start, end, limits)
const latin1 = (text: string) => new Uint8Array(Buffer.from(text, 'latin1'))
const request = 'GET /a HTTP/1.1\r\nHost: a\r\nX-A: b\r\n\r\n'

/** Feeds bytes one by one; tells the result and after how many bytes it came. */
function byByte(text: string): { result: RequestHead | HeadFailure | undefined; after: number } {
  const reader = new HeadReader<RequestHead>(limits)
  for (let i = 0; i < text.length; i++) {
    const result = reader.read(latin1(text[i] as string), parse)
    if (result !== undefined) return { result, after: i + 1 }
  }
  return { result: undefined, after: text.length }
}

describe('HeadReader', () => {
  test('reads a head from one chunk and hands over what follows it', () => {
    const reader = new HeadReader<RequestHead>(limits)
    const head = reader.read(latin1(`${request}body`), parse)
    expect(isFailure(head) ? head : head?.path).toBe('/a')
    expect(Buffer.from(reader.rest ?? []).toString()).toBe('body')
    expect(reader.partial).toBe(false)
    reader.read(latin1(request), parse)
    expect(reader.rest).toBeNull()
  })

  test('takes a Buffer and a view into a larger one alike', () => {
    const buffer = Buffer.from(`xx${request}yy`, 'latin1')
    for (const chunk of [
      buffer.subarray(2),
      new Uint8Array(buffer.buffer, buffer.byteOffset + 2, buffer.length - 2),
    ]) {
      const reader = new HeadReader<RequestHead>(limits)
      const head = reader.read(chunk, parse)
      expect(isFailure(head) ? head : head?.fields.get('x-a')).toBe('b')
      expect(Buffer.from(reader.rest ?? []).toString()).toBe('yy')
    }
  })

  test('reads pipelined heads, also when the second is cut', () => {
    const reader = new HeadReader<RequestHead>(limits)
    const first = reader.read(latin1(`${request}${request.slice(0, 10)}`), parse)
    expect(isFailure(first)).toBe(false)
    expect(reader.read(reader.rest as Uint8Array, parse)).toBeUndefined()
    expect(reader.partial).toBe(true)
    expect(reader.rest).toBeNull()
    const second = reader.read(latin1(`${request.slice(10)}rest`), parse)
    expect(second).toEqual(first)
    expect(reader.partial).toBe(false)
    expect(Buffer.from(reader.rest ?? []).toString()).toBe('rest')
  })

  test('reads a head byte by byte, exactly to its end', () => {
    const { result, after } = byByte(`${request}X`)
    expect(isFailure(result)).toBe(false)
    expect(after).toBe(request.length)
  })

  test('is not partial before the first byte and after an empty chunk', () => {
    const reader = new HeadReader<RequestHead>(limits)
    expect(reader.partial).toBe(false)
    expect(reader.read(new Uint8Array(0), parse)).toBeUndefined()
    expect(reader.partial).toBe(false)
  })

  test('skips one empty line before a request and none before a response', () => {
    const reader = new HeadReader<RequestHead>(limits)
    expect(isFailure(reader.read(latin1(`\r\n${request}`), parse))).toBe(false)
    expect(isFailure(byByte(`\r\n${request}`).result)).toBe(false)
    expect(byByte(`\r\n\r\n${request}`)).toMatchObject({ result: { status: 400 }, after: 4 })
    const responses = new HeadReader<unknown>(limits)
    const head = responses.read(latin1('\r\nHTTP/1.1 200 OK\r\n\r\n'), (bytes, start, end) =>
      parseResponseHead(bytes, start, end, limits, 'GET'),
    )
    expect(isFailure(head)).toBe(true)
  })
})

describe('the bound', () => {
  /** A head of exactly this many bytes. */
  const ofLength = (bytes: number) => `GET / HTTP/1.1\r\nHost: a\r\nX-A: ${'b'.repeat(bytes - 34)}\r\n\r\n`

  test('admits a head of exactly that size', () => {
    expect(ofLength(128).length).toBe(128)
    expect(isFailure(byByte(ofLength(128)).result)).toBe(false)
    expect(isFailure(new HeadReader<RequestHead>(limits).read(latin1(`${ofLength(128)}more`), parse))).toBe(
      false,
    )
  })

  test('refuses one byte more with 431, as soon as it is known', () => {
    expect(byByte(ofLength(129))).toMatchObject({ result: { status: 431 }, after: 128 })
    expect(new HeadReader<RequestHead>(limits).read(latin1(ofLength(129)), parse)).toMatchObject({
      status: 431,
    })
  })

  test('refuses a head that never ends', () => {
    const reader = new HeadReader<RequestHead>(limits)
    expect(reader.read(latin1('GET /'), parse)).toBeUndefined()
    expect(reader.read(latin1('a'.repeat(100_000)), parse)).toMatchObject({ status: 431 })
    expect(new HeadReader<RequestHead>(limits).read(latin1('a'.repeat(100_000)), parse)).toMatchObject({
      status: 431,
    })
  })

  test('what comes behind the head does not count', () => {
    const reader = new HeadReader<RequestHead>(limits)
    expect(isFailure(reader.read(latin1(request + 'x'.repeat(1000)), parse))).toBe(false)
    expect(reader.rest?.length).toBe(1000)
  })
})

describe('bytes no head may contain', () => {
  test.each([
    ['a bare LF', 'GET / HTTP/1.1\n'],
    ['a bare CR', 'GET / HTTP/1.1\rX'],
    ['NUL', 'GET /\0'],
    ['DEL', 'GET /\x7f'],
    ['a vertical tab', 'GET\x0b'],
    ['CR CR', 'GET / HTTP/1.1\r\r'],
    ['LF before the end', 'GET / HTTP/1.1\r\nHost: a\r\n\n'],
    ['a TLS handshake', '\x16\x03\x01'],
  ])('%s is refused with its last byte', (_, text) => {
    const { result, after } = byByte(`${text}and more`)
    expect(result).toMatchObject({ failed: true, status: 400 })
    // The first byte of a TLS record is already one too many.
    expect(after).toBe(text.startsWith('\x16') ? 1 : text.length)
    expect(new HeadReader<RequestHead>(limits).read(latin1(text), parse)).toEqual(result)
  })

  test('outrank what else is wrong, however the head is cut', () => {
    const text = 'G(T / HTTP/9.9\r\nX: \0\r\n\r\n'
    expect(new HeadReader<RequestHead>(limits).read(latin1(text), parse)).toEqual(byByte(text).result)
  })
})
