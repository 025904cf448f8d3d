import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import * as ws from 'ws'
import { FrameTracker } from './frame-tracker.ts'

interface Frame {
  /** FIN, reserved bits and opcode. */
  readonly head: number
  readonly payload: Uint8Array
  readonly key?: Uint8Array | undefined
  /** Bytes of the length after the first; as few as possible when it is not given. */
  readonly lengthBytes?: 0 | 2 | 8
}

function encode({ head, payload, key, lengthBytes }: Frame): Uint8Array {
  const { length } = payload
  const extra = lengthBytes ?? (length < 126 ? 0 : length < 65_536 ? 2 : 8)
  const bytes = new Uint8Array(2 + extra + (key === undefined ? 0 : 4) + length)
  const view = new DataView(bytes.buffer)
  bytes[0] = head
  bytes[1] = (key === undefined ? 0 : 0x80) | (extra === 0 ? length : extra === 2 ? 126 : 127)
  if (extra === 2) view.setUint16(2, length)
  if (extra === 8) view.setBigUint64(2, BigInt(length))
  if (key !== undefined) bytes.set(key, 2 + extra)
  const start = bytes.length - length
  for (let i = 0; i < length; i++) bytes[start + i] = (payload[i] as number) ^ (key?.[i & 3] ?? 0)
  return bytes
}

interface Report {
  frames: number
  controlFrames: number
  messages: number
  closeCode: number
  closeReason: string
  closeSeen: boolean
  broken: boolean
  atFrameBoundary: boolean
  atMessageBoundary: boolean
}

/** The whole stream at once, by the book (RFC 6455 §5), written with nothing of the tracker in mind. */
function parse(bytes: Uint8Array, masked: boolean, allowRsv1: boolean): Report {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const report = { frames: 0, controlFrames: 0, messages: 0, closeCode: 0, closeReason: '', closeSeen: false }
  const end = (broken: boolean, atFrameBoundary: boolean): Report => ({
    ...report,
    broken,
    atFrameBoundary,
    atMessageBoundary: atFrameBoundary && !inMessage,
  })
  let inMessage = false
  let at = 0
  while (at < bytes.length) {
    const head = view.getUint8(at)
    const opcode = head & 15
    const final = head >= 128
    const control = opcode >= 8
    if (![0, 1, 2, 8, 9, 10].includes(opcode)) return end(true, false)
    if ((head & 0x30) !== 0) return end(true, false)
    if ((head & 0x40) !== 0 && !(allowRsv1 && (opcode === 1 || opcode === 2))) return end(true, false)
    if (control && !final) return end(true, false)
    if (!control && inMessage !== (opcode === 0)) return end(true, false)
    if (at + 1 >= bytes.length) return end(false, false)
    const second = view.getUint8(at + 1)
    const kind = second & 127
    if (second >= 128 !== masked) return end(true, false)
    if (control && kind > 125) return end(true, false)
    if (opcode === 8 && kind === 1) return end(true, false)
    const lengthBytes = kind === 127 ? 8 : kind === 126 ? 2 : 0
    let header = 2 + lengthBytes
    if (at + header > bytes.length) return end(false, false)
    const length =
      kind === 127 ? view.getBigUint64(at + 2) : BigInt(kind === 126 ? view.getUint16(at + 2) : kind)
    if (kind === 126 && length < 126n) return end(true, false)
    if (kind === 127 && (length < 65_536n || length >= 2n ** 53n)) return end(true, false)
    if (masked) header += 4
    if (BigInt(at + header) + length > BigInt(bytes.length)) return end(false, false)
    const payload = bytes.slice(at + header, at + header + Number(length))
    if (masked) {
      const key = bytes.subarray(at + header - 4, at + header)
      for (let i = 0; i < payload.length; i++) payload[i] = (payload[i] as number) ^ (key[i % 4] as number)
    }
    at += header + payload.length
    report.frames++
    if (control) {
      report.controlFrames++
    } else {
      inMessage = !final
      if (final) report.messages++
    }
    if (opcode === 8) {
      report.closeSeen = true
      report.closeCode = payload.length === 0 ? 1005 : (payload[0] as number) * 256 + (payload[1] as number)
      report.closeReason = new TextDecoder().decode(payload.slice(2))
      return end(false, true)
    }
  }
  return end(false, true)
}

function report(tracker: FrameTracker): Report {
  return {
    frames: tracker.frames,
    controlFrames: tracker.controlFrames,
    messages: tracker.messages,
    closeCode: tracker.closeCode,
    closeReason: tracker.closeReason,
    closeSeen: tracker.closeSeen,
    broken: tracker.broken !== null,
    atFrameBoundary: tracker.atFrameBoundary,
    atMessageBoundary: tracker.atMessageBoundary,
  }
}

const size = fc.oneof(
  { weight: 8, arbitrary: fc.nat(20) },
  { weight: 3, arbitrary: fc.constantFrom(124, 125, 126, 127, 300) },
  { weight: 1, arbitrary: fc.constantFrom(65_535, 65_536, 70_000) },
)
const bytesOf = (length: number): Uint8Array => Uint8Array.from({ length }, (_, i) => (i * 31 + length) & 255)
const keys = fc.uint8Array({ minLength: 4, maxLength: 4 })
const smallControl = fc.record({ opcode: fc.constantFrom(9, 10), length: fc.constantFrom(0, 1, 4, 125) })

/** One message in fragments, with control frames before each; RSV1 as permessage-deflate sets it. */
const message = fc
  .record({
    opcode: fc.constantFrom(1, 2),
    rsv1: fc.boolean(),
    fragments: fc.array(
      fc.record({ length: size, control: fc.option(smallControl, { nil: undefined, freq: 3 }) }),
      {
        minLength: 1,
        maxLength: 4,
      },
    ),
  })
  .map(({ opcode, rsv1, fragments }) =>
    fragments.flatMap(({ length, control }, i): Frame[] => {
      const head = (i === 0 ? opcode | (rsv1 ? 0x40 : 0) : 0) | (i === fragments.length - 1 ? 0x80 : 0)
      const data = { head, payload: bytesOf(length) }
      return control === undefined
        ? [data]
        : [{ head: 0x80 | control.opcode, payload: bytesOf(control.length) }, data]
    }),
  )

const goodbye = fc.option(
  fc.constantFrom(0, 2, 3, 125).chain((length) => fc.uint8Array({ minLength: length, maxLength: length })),
  { nil: undefined },
)

interface Stream {
  readonly masked: boolean
  readonly rsv1: boolean
  readonly frames: readonly Frame[]
  readonly bytes: Uint8Array
}

const stream: fc.Arbitrary<Stream> = fc
  .record({
    masked: fc.boolean(),
    rsv1: fc.boolean(),
    messages: fc.array(message, { maxLength: 5 }),
    last: goodbye,
    key: keys,
  })
  .map(({ masked, rsv1, messages, last, key }) => {
    const plain = messages.flat()
    if (last !== undefined) plain.push({ head: 0x88, payload: last })
    const frames = plain.map((frame) => ({
      ...frame,
      head: rsv1 ? frame.head : frame.head & ~0x40,
      key: masked ? key : undefined,
    }))
    return { masked, rsv1, frames, bytes: concat(frames.map(encode)) }
  })

/** Lengths of chunks, used over and over. */
const cuts = fc.array(
  fc.oneof(fc.integer({ min: 1, max: 8 }), fc.integer({ min: 1, max: 400 }), fc.constant(70_000)),
  {
    minLength: 1,
    maxLength: 10,
  },
)

function concat(parts: readonly Uint8Array[]): Uint8Array {
  return new Uint8Array(Buffer.concat(parts))
}

function* chunksOf(bytes: Uint8Array, lengths: readonly number[]): Generator<Uint8Array> {
  for (let at = 0, i = 0; at < bytes.length; i++) {
    const next = at + (lengths[i % lengths.length] as number)
    yield bytes.subarray(at, next)
    at = next
  }
}

/** Tracks the chunks, and compares with the reference parser after each of the first 50 and the last. */
function compare(
  { masked, rsv1, bytes }: Pick<Stream, 'masked' | 'rsv1' | 'bytes'>,
  lengths: number[],
): FrameTracker {
  const tracker = new FrameTracker(masked, rsv1)
  let at = 0
  let checks = 0
  for (const chunk of chunksOf(bytes, lengths)) {
    tracker.track(chunk)
    at += chunk.length
    if (checks++ < 50 || at === bytes.length) {
      expect(report(tracker)).toEqual(parse(bytes.subarray(0, at), masked, rsv1))
    }
  }
  expect(tracker.bytes).toBe(bytes.length)
  return tracker
}

describe('valid streams', () => {
  test('give the same numbers and boundaries as a full parser, however they are cut', () => {
    fc.assert(
      fc.property(stream, cuts, (valid, lengths) => {
        const tracker = compare(valid, lengths)
        expect(tracker.broken).toBeNull()
        expect(tracker.frames).toBe(valid.frames.length)
        expect(tracker.atMessageBoundary).toBe(true)
      }),
      { numRuns: 300 },
    )
  })

  test('byte by byte and in one chunk are the same', () => {
    fc.assert(
      fc.property(stream, ({ masked, rsv1, bytes }) => {
        const whole = new FrameTracker(masked, rsv1)
        whole.track(bytes)
        const single = new FrameTracker(masked, rsv1)
        for (let at = 0; at < bytes.length; at++) single.track(bytes.subarray(at, at + 1))
        expect({ ...report(single), bytes: single.bytes }).toEqual({ ...report(whole), bytes: whole.bytes })
      }),
      { numRuns: 50 },
    )
  })

  test('are taken up to the end of the frame at hand, and not a byte further', () => {
    fc.assert(
      fc.property(stream, fc.double({ min: 0, max: 1, noNaN: true }), cuts, (valid, part, lengths) => {
        const { masked, rsv1, frames, bytes } = valid
        const start = Math.floor(part * bytes.length)
        let end = 0
        for (const frame of frames) if (end < start) end += encode(frame).length
        const tracker = new FrameTracker(masked, rsv1)
        tracker.track(bytes.subarray(0, start))
        let at = start
        for (const chunk of chunksOf(bytes.subarray(start), lengths)) {
          const taken = tracker.trackFrame(chunk)
          at += taken
          if (taken < chunk.length) break
        }
        expect([at, tracker.bytes, tracker.atFrameBoundary]).toEqual([end, end, true])
      }),
    )
  })

  test('no byte is changed', () => {
    fc.assert(
      fc.property(stream, ({ masked, rsv1, bytes }) => {
        const copy = bytes.slice()
        new FrameTracker(masked, rsv1).track(bytes)
        expect(Buffer.compare(bytes, copy)).toBe(0)
      }),
      { numRuns: 20 },
    )
  })
})

describe('mutated streams', () => {
  test('never throw, and break exactly where a full parser says so', () => {
    const change = fc.record({
      at: fc.nat(),
      to: fc.nat(255),
      kind: fc.constantFrom('set', 'insert', 'remove'),
    })
    let broken = 0
    fc.assert(
      fc.property(
        stream,
        fc.array(change, { minLength: 1, maxLength: 3 }),
        cuts,
        (valid, changes, lengths) => {
          const bytes = [...valid.bytes.subarray(0, 1000)]
          for (const { at, to, kind } of changes) {
            bytes.splice(
              at % (bytes.length + 1),
              kind === 'insert' ? 0 : 1,
              ...(kind === 'remove' ? [] : [to]),
            )
          }
          if (compare({ ...valid, bytes: Uint8Array.from(bytes) }, lengths).broken !== null) broken++
        },
      ),
      { numRuns: 500 },
    )
    expect(broken).toBeGreaterThan(50)
  })

  test('random headers are judged like a full parser judges them', () => {
    const head = fc.constantFrom(
      0x00,
      0x01,
      0x02,
      0x80,
      0x81,
      0x82,
      0x88,
      0x89,
      0x8a,
      0x08,
      0xc1,
      0x83,
      0x8b,
      0x91,
    )
    const second = fc.oneof(
      fc.nat(255),
      fc.constantFrom(0, 1, 2, 125, 126, 127, 0x80, 0x81, 0x82, 0xfd, 0xfe, 0xff),
    )
    const byte = fc.oneof(fc.nat(255), fc.constantFrom(0, 0, 0, 0x1f, 0x20, 0x80))
    const bytes = fc
      .array(fc.tuple(head, second, fc.array(byte, { maxLength: 14 })), { minLength: 1, maxLength: 5 })
      .map((frames) => Uint8Array.from(frames.flat(2)))
    fc.assert(
      fc.property(fc.boolean(), fc.boolean(), bytes, cuts, (masked, rsv1, random, lengths) => {
        compare({ masked, rsv1, bytes: random }, lengths)
      }),
      { numRuns: 1000 },
    )
  })
})

const key = Uint8Array.of(0xa1, 0xb2, 0xc3, 0xd4)
const long = (...length: number[]): number[] => [0x82, 127, ...length]

describe('broken framing is named', () => {
  test.each<[string, number[], RegExp]>([
    ['RSV1 without an extension', [0xc1, 0], /reserved/],
    ['RSV2', [0xa1, 0], /reserved/],
    ['RSV3', [0x91, 0], /reserved/],
    ['opcode 3', [0x83], /opcode/],
    ['opcode 7', [0x87], /opcode/],
    ['opcode 11', [0x8b], /opcode/],
    ['opcode 15', [0x8f], /opcode/],
    ['a fragmented Ping', [0x09], /control frame is fragmented/],
    ['a Ping of 126 bytes', [0x89, 126], /longer than 125/],
    ['a continuation of nothing', [0x80], /continuation/],
    ['a message inside another', [0x01, 0, 0x81], /inside another/],
    ['a Close with half a code', [0x88, 1], /half a code/],
    ['a masked frame to a client', [0x81, 0x80], /is masked/],
    ['125 in two bytes', [0x82, 126, 0, 125], /too many bytes/],
    ['65535 in eight bytes', long(0, 0, 0, 0, 0, 0, 255, 255), /too many bytes/],
    ['2^53', long(0, 0x20, 0, 0, 0, 0, 0, 0), /2\^53/],
    ['2^63', long(0x80, 0, 0, 0, 0, 0, 0, 0), /2\^53/],
  ])('%s', (_what, bytes, problem) => {
    const tracker = new FrameTracker(false)
    tracker.track(Uint8Array.from(bytes))
    expect(tracker.broken).toMatch(problem)
    expect([tracker.atFrameBoundary, tracker.atMessageBoundary, tracker.closeSeen]).toEqual([
      false,
      false,
      false,
    ])
  })

  test('a whole frame whose length takes more bytes than it needs', () => {
    for (const [length, lengthBytes] of [
      [0, 2],
      [125, 2],
      [0, 8],
      [300, 8],
      [65_535, 8],
    ] as const) {
      for (const maskingKey of [undefined, key]) {
        const tracker = new FrameTracker(maskingKey !== undefined)
        tracker.track(encode({ head: 0x82, payload: bytesOf(length), key: maskingKey, lengthBytes }))
        expect(tracker.broken).toMatch(/too many bytes/)
      }
    }
  })

  test('an unmasked frame to a server', () => {
    const tracker = new FrameTracker(true)
    tracker.track(Uint8Array.of(0x81, 0))
    expect(tracker.broken).toMatch(/not masked/)
  })

  test('RSV1 in a continuation or a control frame, even with an extension', () => {
    for (const bytes of [
      [0x41, 0, 0xc0],
      [0xc9, 0],
    ]) {
      const tracker = new FrameTracker(false, true)
      tracker.track(Uint8Array.from(bytes))
      expect(tracker.broken).toMatch(/reserved/)
    }
  })

  test('after that only bytes are counted', () => {
    const tracker = new FrameTracker(false)
    tracker.track(Uint8Array.of(0x81, 0, 0x83, 0, 0x81, 0))
    tracker.track(Uint8Array.of(0x81, 0))
    expect([tracker.bytes, tracker.frames, tracker.messages]).toEqual([8, 1, 1])
  })
})

describe('a Close', () => {
  test.each([
    [[], 1005],
    [[0x03, 0xe8], 1000],
    [[0x03, 0xe9, 0x62, 0x79, 0x65], 1001],
    [[0x0f, 0xa0], 4000],
    [[0, 0], 0],
  ])('with %j has the code %i, masked or not and however it is cut', (payload, code) => {
    for (const maskingKey of [undefined, key]) {
      const bytes = encode({ head: 0x88, payload: Uint8Array.from(payload), key: maskingKey })
      for (let length = 1; length <= bytes.length; length++) {
        const tracker = new FrameTracker(maskingKey !== undefined)
        for (const chunk of chunksOf(bytes, [length])) {
          expect(tracker.closeSeen).toBe(false)
          tracker.track(chunk)
        }
        expect([tracker.closeCode, tracker.closeSeen, tracker.atFrameBoundary]).toEqual([code, true, true])
      }
    }
  })

  test('ends what counts', () => {
    const tracker = new FrameTracker(false)
    tracker.track(Uint8Array.of(0x88, 0, 0x81, 0))
    tracker.track(Uint8Array.of(0x83, 0))
    expect([tracker.bytes, tracker.frames, tracker.controlFrames, tracker.messages]).toEqual([6, 1, 1, 0])
    expect([tracker.broken, tracker.closeSeen, tracker.atMessageBoundary]).toEqual([null, true, true])
  })

  test('within a fragmented message leaves that unfinished', () => {
    const tracker = new FrameTracker(false)
    tracker.track(Uint8Array.of(0x01, 0, 0x88, 0))
    expect([tracker.closeSeen, tracker.atFrameBoundary, tracker.atMessageBoundary]).toEqual([
      true,
      true,
      false,
    ])
  })
})

test('a frame of almost 2^53 bytes is followed without its bytes', () => {
  const tracker = new FrameTracker(false)
  tracker.track(Uint8Array.from(long(0, 0x1f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff)))
  tracker.track(new Uint8Array(100_000))
  expect([tracker.broken, tracker.frames, tracker.atFrameBoundary]).toEqual([null, 0, false])
})

test('a frame of 5 GiB ends where its header said', () => {
  const tracker = new FrameTracker(true)
  const chunk = new Uint8Array(64 * 1024 * 1024)
  tracker.track(Uint8Array.of(0x82, 0xff, 0, 0, 0, 1, 0x40, 0, 0, 0, 9, 9, 9, 9))
  for (let i = 0; i < 80; i++) {
    expect(tracker.messages).toBe(0)
    tracker.track(chunk)
  }
  expect([tracker.messages, tracker.bytes, tracker.atMessageBoundary]).toEqual([1, 14 + 5 * 2 ** 30, true])
})

/** What of the `ws` package is public but not in its types; Bun's own `ws` has only stubs of it. */
interface Internals {
  readonly Receiver: new (options: object) => NodeJS.WritableStream
  readonly Sender: { frame(data: Uint8Array, options: object): Uint8Array[] }
}
const { Receiver, Sender } = ws as unknown as Internals
const withWs = typeof Receiver?.prototype?.write === 'function'

interface Received {
  messages: number
  controls: number
  closeCode: number
  error: string
}

/** Resolves when the receiver of `ws` has taken all chunks, or no more of them. */
async function receive({ masked }: Stream, chunks: Iterable<Uint8Array>): Promise<Received> {
  const seen = { messages: 0, controls: 0, closeCode: 0, error: '' }
  const receiver = new Receiver({ isServer: masked, skipUTF8Validation: true })
  receiver.on('message', () => seen.messages++)
  for (const name of ['ping', 'pong']) receiver.on(name, () => seen.controls++)
  await new Promise<void>((resolve) => {
    receiver.on('conclude', (code: number) => {
      seen.controls++
      seen.closeCode = code
      resolve()
    })
    receiver.on('error', (error: Error & { code: string }) => {
      // After a Close it takes no more writes, which is no finding.
      if (error.code.startsWith('WS_ERR_')) seen.error = error.code
      resolve()
    })
    for (const chunk of chunks) receiver.write(Buffer.from(chunk))
    // With an error of its own this comes before the event.
    receiver.write(Buffer.alloc(0), (error) => error ?? resolve())
  })
  return seen
}

describe.skipIf(!withWs)('compared with the ws package', () => {
  test('what its sender frames is followed', () => {
    const options = fc.record({ opcode: fc.constantFrom(1, 2), length: size })
    fc.assert(
      fc.property(fc.boolean(), fc.array(options, { maxLength: 10 }), cuts, (masked, frames, lengths) => {
        const bytes = concat(
          frames.flatMap(({ opcode, length }) =>
            Sender.frame(Buffer.from(bytesOf(length)), {
              fin: true,
              rsv1: false,
              opcode,
              mask: masked,
              readOnly: false,
            }),
          ),
        )
        const tracker = new FrameTracker(masked)
        for (const chunk of chunksOf(bytes, lengths)) tracker.track(chunk)
        expect([tracker.broken, tracker.messages, tracker.atMessageBoundary]).toEqual([
          null,
          frames.length,
          true,
        ])
      }),
      { numRuns: 50 },
    )
  })

  test('its receiver counts the same messages, control frames and code', async () => {
    await fc.assert(
      fc.asyncProperty(stream, cuts, async (valid, lengths) => {
        fc.pre(!valid.rsv1)
        const received = await receive(valid, chunksOf(valid.bytes, lengths))
        // It judges codes, too.
        fc.pre(received.error !== 'WS_ERR_INVALID_CLOSE_CODE')
        const tracker = new FrameTracker(valid.masked)
        for (const chunk of chunksOf(valid.bytes, lengths)) tracker.track(chunk)
        expect(received).toEqual({
          messages: tracker.messages,
          controls: tracker.controlFrames,
          closeCode: tracker.closeCode,
          error: '',
        })
      }),
      { numRuns: 40 },
    )
  })

  test('it refuses what is broken and nothing else', async () => {
    const change = fc.record({ at: fc.nat(), to: fc.nat(255) })
    const changes = fc.array(change, { minLength: 1, maxLength: 3 })
    await fc.assert(
      fc.asyncProperty(stream, changes, cuts, async (valid, mutations, lengths) => {
        const bytes = valid.bytes.slice(0, 1000)
        for (const { at, to } of mutations) bytes[at % bytes.length] = to
        const { error } = await receive(valid, chunksOf(bytes, lengths))
        const tracker = new FrameTracker(valid.masked)
        tracker.track(bytes.subarray(0, -1))
        const early = tracker.broken
        tracker.track(bytes.subarray(-1))
        // It judges codes, too.
        if (error !== '' && error !== 'WS_ERR_INVALID_CLOSE_CODE') expect(tracker.broken).not.toBeNull()
        // It takes lengths that are longer than they need to be, and looks at headers two bytes at a time.
        if (early !== null && !early.includes('too many bytes')) expect(error).not.toBe('')
      }),
      { numRuns: 300 },
    )
  })
})
