import type { Position } from './cluster.ts'

/**
 * How a live message carries its place in the history of its room: `H`, length of the epoch (1 byte), epoch, offset
 * (8 bytes, big endian), payload. So simple because a store's own scripts write it as well (Lua in Redis).
 * The first byte sets it apart from every other message of a hub.
 */
export const historyMark = 0x48

const decoder = new TextDecoder()
const encoder = new TextEncoder()

export interface PlacedPayload {
  readonly position: Position
  readonly payload: Uint8Array
}

/** @throws RangeError when the epoch is longer than 255 bytes */
export function historyEnvelope(position: Position, payload: Uint8Array): Uint8Array {
  const epoch = encoder.encode(position.epoch)
  if (epoch.length > 255) throw new RangeError('an epoch has at most 255 bytes')
  const bytes = new Uint8Array(2 + epoch.length + 8 + payload.length)
  bytes[0] = historyMark
  bytes[1] = epoch.length
  bytes.set(epoch, 2)
  const at = 2 + epoch.length
  new DataView(bytes.buffer).setBigUint64(at, BigInt(position.offset))
  bytes.set(payload, at + 8)
  return bytes
}

/** Null when it is none. The payload shares the memory of `bytes`. */
export function readHistoryEnvelope(bytes: Uint8Array): PlacedPayload | null {
  if (bytes.length < 2 || bytes[0] !== historyMark) return null
  const at = 2 + (bytes[1] as number)
  if (bytes.length < at + 8) return null
  const offset = Number(new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength).getBigUint64(at))
  if (!Number.isSafeInteger(offset) || offset < 1) return null
  return {
    position: { epoch: decoder.decode(bytes.subarray(2, at)), offset },
    payload: bytes.subarray(at + 8),
  }
}
