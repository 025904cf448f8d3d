import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { EchoStream } from '../bench/echo-stream.ts'
import { binaryFrame, clientClose, serverClose } from '../bench/frames.ts'

const payloadSizes = fc.constantFrom(0, 1, 2, 64, 125, 126, 300, 65535, 65536, 70000)
const maskingKeys = fc.oneof(fc.constant([0, 0, 0, 0]), fc.array(fc.nat(255), { minLength: 4, maxLength: 4 }))

function patterned(length: number): Uint8Array {
  return new Uint8Array(length).map((_, i) => (i * 7 + (i >> 8)) & 0xff)
}

function masked(payload: Uint8Array, key: readonly number[]): Uint8Array {
  const frame = binaryFrame(payload, 'client')
  const start = frame.length - payload.length
  frame.set(key, start - 4)
  for (let i = 0; i < payload.length; i++) frame[start + i]! ^= key[i & 3]!
  return frame
}

/** Fresh copies of the pieces, as a socket hands them out. */
function cut(bytes: Uint8Array, lengths: readonly number[]): Uint8Array[] {
  const pieces: Uint8Array[] = []
  let at = 0
  for (let i = 0; at < bytes.length; i++) {
    const end = at + lengths[i % lengths.length]!
    pieces.push(bytes.slice(at, end))
    at = end
  }
  return pieces
}

describe('the echo of the backend', () => {
  test('is the same messages unmasked, however the bytes are cut and whatever the keys', () => {
    const messages = fc.array(fc.tuple(payloadSizes, maskingKeys), { minLength: 1, maxLength: 4 })
    const cuts = fc.array(fc.constantFrom(1, 2, 5, 7, 14, 70, 72, 4096, 65546, 100_000), {
      minLength: 1,
      maxLength: 5,
    })
    fc.assert(
      fc.property(messages, cuts, (list, lengths) => {
        // Pieces of one byte only exercise the head, and a long message would take forever.
        const small = Math.max(...lengths) < 100 ? list.filter(([size]) => size < 1000) : list
        const sent = Buffer.concat(small.map(([size, key]) => masked(patterned(size), key)))
        const expected = Buffer.concat(small.map(([size]) => binaryFrame(patterned(size), 'server')))
        const stream = new EchoStream()
        const answer = Buffer.concat(cut(sent, lengths).map((piece) => stream.turn(piece)))
        expect(answer.equals(expected)).toBe(true)
        expect(stream.closed).toBe(false)
      }),
      { numRuns: 150 },
    )
  })

  test('answers a Close with a Close and ignores what follows', () => {
    const stream = new EchoStream()
    const message = binaryFrame(patterned(10), 'client')
    const answer = stream.turn(Buffer.concat([message, clientClose, message]))
    const expected = Buffer.concat([binaryFrame(patterned(10), 'server'), serverClose])
    expect(Buffer.from(answer).equals(expected)).toBe(true)
    expect(stream.closed).toBe(true)
  })

  test('refuses an unmasked frame', () => {
    expect(() => new EchoStream().turn(binaryFrame(patterned(10), 'server'))).toThrow('unmasked')
  })
})
