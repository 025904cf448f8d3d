import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { encodeCloseFrame, encodePingFrame } from './frame.ts'
import { PongReader } from './pong-reader.ts'

const payload = Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8)

/** A frame of a server. */
function frame(head: number, body: Uint8Array): Uint8Array {
  const length = body.length < 126 ? [body.length] : [126, body.length >> 8, body.length & 0xff]
  return Uint8Array.of(head, ...length, ...body)
}

const pong = frame(0x8a, payload)

/** Reads the bytes in pieces of this length and returns the first verdict. */
function read(bytes: Uint8Array, piece: number): string | null | undefined {
  const reader = new PongReader(payload)
  for (let at = 0; at < bytes.length; at += piece) {
    const verdict = reader.read(bytes.subarray(at, at + piece))
    if (verdict !== undefined) return verdict
  }
  return undefined
}

describe('PongReader', () => {
  test('finds the answer among other frames, however the bytes are cut', () => {
    const body = (most: number) => fc.uint8Array({ maxLength: most })
    const other = fc.oneof(
      body(300).map((bytes) => frame(0x82, bytes)),
      body(125).map((bytes) => frame(0x89, bytes)),
      body(7).map((bytes) => frame(0x8a, bytes)),
      fc.tuple(body(200), body(200)).map(([a, b]) => Uint8Array.of(...frame(0x01, a), ...frame(0x80, b))),
    )
    const piece = fc.integer({ min: 1, max: 400 })
    fc.assert(
      fc.property(fc.array(other, { maxLength: 5 }), fc.boolean(), piece, (before, answered, length) => {
        const bytes = Buffer.concat([...before, ...(answered ? [pong] : [])])
        expect(read(bytes, length)).toBe(answered ? null : undefined)
      }),
    )
  })

  test('a Pong with another payload is not the answer, nor is one that only begins like it', () => {
    expect(read(frame(0x8a, payload.subarray(0, 7)), 99)).toBeUndefined()
    expect(read(frame(0x8a, Uint8Array.of(...payload, 9)), 99)).toBeUndefined()
    expect(read(frame(0x82, payload), 99)).toBeUndefined()
  })

  test('a Close or a broken frame ends the wait', () => {
    expect(read(encodeCloseFrame(1013, ''), 1)).toBe('it closed with code 1013 instead of answering the ping')
    expect(read(Uint8Array.of(0x8a, 0x80), 1)).toBe('it broke the framing: a frame to a client is masked')
  })
})

describe('encodePingFrame', () => {
  test('masked towards a server, plain towards a client (RFC 6455 §5.1)', () => {
    expect([...encodePingFrame(Uint8Array.of(0xf0, 0x0f))]).toEqual([0x89, 2, 0xf0, 0x0f])
    const masked = encodePingFrame(Uint8Array.of(0xf0, 0x0f), Uint8Array.of(0xff, 0, 1, 2))
    expect([...masked]).toEqual([0x89, 0x82, 0xff, 0, 1, 2, 0x0f, 0x0f])
  })
})
