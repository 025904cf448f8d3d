import type { Wire } from './wire.ts'

export const opcodes = { continuation: 0, text: 1, binary: 2, close: 8, ping: 9, pong: 10 } as const

interface FrameOptions {
  readonly fin?: boolean
  /** As a client sends it (RFC 6455 §5.3). */
  readonly masked?: boolean
}

/** One frame as it stands on the wire (RFC 6455 §5.2). */
export function frame(opcode: number, payload: string | Uint8Array, options: FrameOptions = {}): Buffer {
  const { fin = true, masked = false } = options
  const body = Buffer.from(payload)
  const header = Buffer.alloc(body.length < 126 ? 2 : body.length < 65_536 ? 4 : 10)
  header[0] = (fin ? 0x80 : 0) | opcode
  header[1] = (masked ? 0x80 : 0) | (header.length === 2 ? body.length : header.length === 4 ? 126 : 127)
  if (header.length === 4) header.writeUInt16BE(body.length, 2)
  if (header.length === 10) header.writeBigUInt64BE(BigInt(body.length), 2)
  if (!masked) return Buffer.concat([header, body])
  const key = Buffer.from([0x12, 0xf4, 0x56, 0x78])
  return Buffer.concat([header, key, unmask(body, key)])
}

/** A frame from a client. */
export function clientFrame(opcode: number, payload: string | Uint8Array, fin = true): Buffer {
  return frame(opcode, payload, { fin, masked: true })
}

/** A Close (RFC 6455 §5.5.1). */
export function closeFrame(code: number, reason: string, masked: boolean): Buffer {
  return frame(opcodes.close, Buffer.concat([Buffer.from([code >> 8, code & 255]), Buffer.from(reason)]), {
    masked,
  })
}

/** A frame as it was read. */
export interface Frame {
  readonly fin: boolean
  /** RSV1 to RSV3. */
  readonly reserved: number
  readonly opcode: number
  readonly masked: boolean
  readonly payload: Buffer
}

/** Reads the next whole frame: by the book, sharing nothing with the tracker under test. */
export async function readFrame(wire: Wire): Promise<Frame> {
  const [first = 0, second = 0] = await wire.bytes(2)
  const short = second & 0x7f
  let length = short
  if (short === 126) length = (await wire.bytes(2)).readUInt16BE()
  if (short === 127) length = Number((await wire.bytes(8)).readBigUInt64BE())
  const masked = second > 127
  const key = masked ? await wire.bytes(4) : null
  const payload = await wire.bytes(length)
  return {
    fin: first > 127,
    reserved: (first >> 4) & 7,
    opcode: first & 15,
    masked,
    payload: key === null ? payload : unmask(payload, key),
  }
}

/** The code and the reason of a Close. */
export function closeOf({ opcode, payload }: Frame): { code: number; reason: string } {
  if (opcode !== opcodes.close) throw new Error(`opcode ${opcode} is not Close`)
  return { code: payload.readUInt16BE(), reason: payload.toString('utf8', 2) }
}

function unmask(payload: Buffer, key: Uint8Array): Buffer {
  const plain = Buffer.allocUnsafe(payload.length)
  for (let at = 0; at < payload.length; at++) plain[at] = (payload[at] as number) ^ (key[at & 3] as number)
  return plain
}
