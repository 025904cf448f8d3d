import { describe, expect, test } from 'vitest'
import { encodeHead, requestStart, responseStart, statusText } from './write-head.ts'

describe('encodeHead', () => {
  test('is one byte per character, followed by the body', () => {
    const bytes = encodeHead('a\xe9\r\n', Uint8Array.of(0, 255))
    expect([...bytes]).toEqual([0x61, 0xe9, 13, 10, 0, 255])
    expect([...encodeHead('\xff')]).toEqual([0xff])
    expect([...encodeHead('x', new Uint8Array(0))]).toEqual([0x78])
  })

  test('does not share memory between heads', () => {
    const first = encodeHead('aaaa', Uint8Array.of(1))
    const second = encodeHead('bbbb', Uint8Array.of(2))
    second.fill(0)
    expect([...first]).toEqual([0x61, 0x61, 0x61, 0x61, 1])
  })
})

describe('start lines', () => {
  test('are HTTP/1.1', () => {
    expect(requestStart('GET', '/x?y', 'a:1')).toBe('GET /x?y HTTP/1.1\r\nHost: a:1\r\n')
    expect(responseStart(503)).toBe('HTTP/1.1 503 Service Unavailable\r\n')
    expect(responseStart(200, 'Fine')).toBe('HTTP/1.1 200 Fine\r\n')
    expect(responseStart(299)).toBe('HTTP/1.1 299 \r\n')
  })

  test('a status without a standard reason has none', () => {
    expect(statusText(404)).toBe('Not Found')
    expect(statusText(599)).toBe('')
  })
})
