const fin = 0x80
const text = 0x1
const binary = 0x2

/** Bytes of the header of a whole, unmasked message (RFC 6455 §5.2). */
export function headerLength(payload: number): number {
  if (payload < 126) return 2
  return payload < 65_536 ? 4 : 10
}

/**
 * Writes the header of a whole, unmasked message at the start of `frame`, as a server sends it.
 * @param payload bytes of the message; `frame` has room for them and the header
 */
export function writeHeader(frame: Uint8Array, kind: 'text' | 'binary', payload: number): void {
  frame[0] = fin | (kind === 'text' ? text : binary)
  if (payload < 126) {
    frame[1] = payload
    return
  }
  const view = new DataView(frame.buffer, frame.byteOffset)
  if (payload < 65_536) {
    frame[1] = 126
    view.setUint16(2, payload)
    return
  }
  frame[1] = 127
  view.setBigUint64(2, BigInt(payload))
}
