import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { encodeCloseFrame } from './frame.ts'
import { FrameTracker } from './frame-tracker.ts'
import { PongFilter, pingPayload } from './pong-filter.ts'

const secret = Uint8Array.of(1, 2, 3, 4, 5, 6)
const otherSecret = Uint8Array.of(1, 2, 3, 4, 5, 7)

/** A whole frame, by the book. */
function frame(head: number, payload: Uint8Array, key: Uint8Array | null): number[] {
  const { length } = payload
  const bit = key === null ? 0 : 0x80
  const size =
    length < 126
      ? [bit | length]
      : length < 65_536
        ? [bit | 126, length >> 8, length & 255]
        : [bit | 127, 0, 0, 0, 0, 0, (length >> 16) & 255, (length >> 8) & 255, length & 255]
  const body = key === null ? payload : payload.map((byte, at) => byte ^ (key[at & 3] as number))
  return [head, ...size, ...(key ?? []), ...body]
}

const ours = (number: number, key: Uint8Array | null): number[] =>
  frame(0x8a, pingPayload(secret, number), key)

/** What passes, in whichever pieces the bytes come; the chunk's memory is spoilt behind it, as if it was lent. */
function run(bytes: readonly number[], cuts: readonly number[], masked: boolean) {
  const tracker = new FrameTracker(masked)
  const filter = new PongFilter(tracker, masked, secret)
  const passed: number[] = []
  let answers = 0
  const sink = {
    pass: (piece: Uint8Array) => {
      expect(piece.length).toBeGreaterThan(0)
      passed.push(...piece)
    },
    answered: () => {
      answers++
    },
  }
  const places = [...new Set(cuts.map((cut) => cut % (bytes.length + 1)))].sort((a, b) => a - b)
  let from = 0
  for (const to of [...places, bytes.length]) {
    if (to === from) continue
    const chunk = Uint8Array.from(bytes.slice(from, to))
    filter.filter(chunk, sink)
    chunk.fill(0xdd)
    from = to
  }
  return { passed, answers, tracker, held: [...filter.release()] }
}

const key = fc.uint8Array({ minLength: 4, maxLength: 4 })
const bytesUpTo = (maxLength: number) => fc.uint8Array({ maxLength })

/** A message in one or several frames with foreign control frames between, and ours marked as such. */
const piece = fc.oneof(
  fc.record({ kind: fc.constant('data'), payload: bytesUpTo(300), key }),
  fc.record({ kind: fc.constant('begin'), payload: bytesUpTo(40), key }),
  fc.record({ kind: fc.constant('ping'), payload: bytesUpTo(125), key }),
  fc.record({ kind: fc.constant('pong'), payload: bytesUpTo(125), key }),
  // As alike as can be: of the same length, with the same mark, with our payload inside a message or a ping.
  fc.record({ kind: fc.constant('pong'), payload: fc.constant(pingPayload(otherSecret, 1)), key }),
  fc.record({ kind: fc.constant('pong'), payload: fc.uint8Array({ minLength: 16, maxLength: 16 }), key }),
  fc.record({ kind: fc.constant('ping'), payload: fc.constant(pingPayload(secret, 1)), key }),
  fc.record({ kind: fc.constant('data'), payload: fc.constant(Uint8Array.from(ours(7, null))), key }),
  fc.record({ kind: fc.constant('ours'), payload: bytesUpTo(1), key }),
)

const stream = fc.array(piece, { maxLength: 25 })
const heads: Record<string, number> = { ping: 0x89, pong: 0x8a }

function compose(pieces: readonly { kind: string; payload: Uint8Array; key: Uint8Array }[], masked: boolean) {
  const mixed: number[] = []
  const clean: number[] = []
  let fragmented = false
  let own = 0
  for (const { kind, payload, key } of pieces) {
    const mask = masked ? key : null
    if (kind === 'ours') {
      mixed.push(...ours(own++, mask))
      continue
    }
    const fin = kind === 'begin' ? 0 : 0x80
    const head = heads[kind] ?? fin | (fragmented ? 0 : 2)
    if (heads[kind] === undefined) fragmented = kind === 'begin'
    const bytes = frame(head, payload, mask)
    mixed.push(...bytes)
    clean.push(...bytes)
  }
  return { mixed, clean, own }
}

describe('what passes the pong filter', () => {
  test.each([true, false])('is the stream without our pongs, however it is split (masked: %s)', (masked) => {
    fc.assert(
      fc.property(stream, fc.array(fc.nat(), { maxLength: 40 }), (pieces, cuts) => {
        const { mixed, clean, own } = compose(pieces, masked)
        const { passed, answers, tracker, held } = run(mixed, cuts, masked)
        expect(passed).toEqual(clean)
        expect([answers, tracker.broken, tracker.bytes, held]).toEqual([own, null, clean.length, []])
      }),
      { numRuns: 500 },
    )
  })

  test.each([true, false])('is the same with a cut at each byte of a pong (masked: %s)', (masked) => {
    const mask = masked ? Uint8Array.of(9, 8, 7, 6) : null
    const before = frame(0x81, Uint8Array.of(104, 105), mask)
    const after = frame(0x82, new Uint8Array(200), mask)
    const bytes = [...before, ...ours(1, mask), ...after]
    for (let cut = 0; cut <= bytes.length; cut++) {
      const { passed, answers } = run(bytes, [cut], masked)
      expect([passed, answers]).toEqual([[...before, ...after], 1])
    }
    const each = Array.from(bytes, (_, at) => at)
    expect(run(bytes, each, masked)).toMatchObject({ passed: [...before, ...after], answers: 1 })
  })

  test.each([true, false])('is everything, once the stream is broken or closed (masked: %s)', (masked) => {
    const mask = masked ? Uint8Array.of(9, 8, 7, 6) : null
    const close = [...encodeCloseFrame(1000, '', mask ?? undefined)]
    for (const start of [close, [0xff]]) {
      const bytes = [...start, ...ours(1, mask), 1, 2, 3]
      for (let cut = 0; cut <= bytes.length; cut++) expect(run(bytes, [cut], masked).passed).toEqual(bytes)
    }
  })

  test('what is held when the stream stops is given up on demand', () => {
    const bytes = ours(1, null).slice(0, 9)
    expect(run(bytes, [4], false)).toMatchObject({ passed: [], held: bytes })
  })
})
