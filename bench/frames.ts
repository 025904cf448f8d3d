import { createHash } from 'node:crypto'

/** Fixed key of every handshake, so that the generator knows the right answer in advance. */
export const handshakeKey = 'AAAAAAAAAAAAAAAAAAAAAA=='

/** `Sec-WebSocket-Accept` for a key (RFC 6455 §4.2.2). */
export function acceptFor(key: string): string {
  return createHash('sha1').update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest('base64')
}

/**
 * One final binary frame. From a client it carries the masking key 0: legal on the wire, the same work for a proxy,
 * and neither the generator nor the backend has to touch the payload.
 */
export function binaryFrame(payload: Uint8Array, from: 'client' | 'server'): Uint8Array {
  const head = frameHead(payload.length, from === 'client')
  const frame = new Uint8Array(head.length + payload.length)
  frame.set(head)
  frame.set(payload, head.length)
  return frame
}

/** One final text frame from a client, likewise with the masking key 0. */
export function textFrame(text: string): Uint8Array {
  const frame = binaryFrame(Buffer.from(text), 'client')
  frame[0] = 0x81
  return frame
}

/** Answers a ping without payload; masked with key 0. */
export const clientPong = new Uint8Array([0x8a, 0x80, 0, 0, 0, 0])

/** Close with code 1000, masked with key 0. */
export const clientClose = new Uint8Array([0x88, 0x82, 0, 0, 0, 0, 0x03, 0xe8])

/** Close with code 1000. */
export const serverClose = new Uint8Array([0x88, 0x02, 0x03, 0xe8])

function frameHead(length: number, masked: boolean): number[] {
  const mask = masked ? 0x80 : 0
  const key = masked ? [0, 0, 0, 0] : []
  if (length < 126) return [0x82, mask | length, ...key]
  if (length < 65536) return [0x82, mask | 126, length >> 8, length & 0xff, ...key]
  return [0x82, mask | 127, 0, 0, 0, 0, ...[24, 16, 8, 0].map((shift) => (length >>> shift) & 0xff), ...key]
}
