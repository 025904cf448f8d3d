import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { encodeCloseFrame } from './frame.ts'

describe('a Close frame', () => {
  test('to a client is not masked', () => {
    expect([...encodeCloseFrame(1001, 'bye')]).toEqual([0x88, 5, 0x03, 0xe9, 0x62, 0x79, 0x65])
  })

  test('to a server is masked with the key that stands in it', () => {
    const key = Uint8Array.of(1, 2, 3, 4)
    expect([...encodeCloseFrame(1001, 'bye', key)]).toEqual([
      0x88,
      0x85,
      1,
      2,
      3,
      4,
      0x03 ^ 1,
      0xe9 ^ 2,
      0x62 ^ 3,
      0x79 ^ 4,
      0x65 ^ 1,
    ])
    expect([...key]).toEqual([1, 2, 3, 4])
  })

  test('needs no reason', () => {
    expect([...encodeCloseFrame(4500, '')]).toEqual([0x88, 2, 0x11, 0x94])
  })

  test('says the code and as much of the reason as fits, cut between two characters', () => {
    const keys = fc.option(fc.uint8Array({ minLength: 4, maxLength: 4 }), { nil: undefined })
    const reasons = fc.oneof(
      fc.string({ unit: 'binary', maxLength: 200 }),
      fc.integer({ min: 110, max: 130 }).map((length) => `${'x'.repeat(length)}€𝄞ä`),
    )
    fc.assert(
      fc.property(fc.integer({ min: 1000, max: 4999 }), reasons, keys, (code, reason, key) => {
        const frame = encodeCloseFrame(code, reason, key)
        const header = key === undefined ? 2 : 6
        const payload = frame.slice(header).map((byte, at) => byte ^ (key?.[at & 3] ?? 0))
        expect([frame[0], frame[1]]).toEqual([0x88, payload.length | (key === undefined ? 0 : 0x80)])
        expect(payload.length).toBeLessThanOrEqual(125)
        expect(((payload[0] as number) << 8) | (payload[1] as number)).toBe(code)
        const said = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(payload.subarray(2))
        expect(reason.startsWith(said)).toBe(true)
        const rest = new TextEncoder().encode([...reason.slice(said.length)][0] ?? '').length
        expect(rest === 0 || payload.length + rest > 125).toBe(true)
      }),
      { numRuns: 500 },
    )
  })
})
