const closeOpcode = 0x8
const pingOpcode = 0x9
const fin = 0x80
const maskBit = 0x80
// RFC 6455 §5.5: a control frame carries at most 125 bytes, and the code takes two of them.
const longestReason = 123

/**
 * A whole Close frame (RFC 6455 §5.5.1). A reason beyond 123 bytes of UTF-8 is cut between two characters.
 * @param maskKey four random bytes, needed towards a server and forbidden towards a client (RFC 6455 §5.1)
 */
export function encodeCloseFrame(code: number, reason: string, maskKey?: Uint8Array): Uint8Array {
  const payload = new Uint8Array(2 + longestReason)
  const { written } = new TextEncoder().encodeInto(reason, payload.subarray(2))
  payload[0] = code >> 8
  payload[1] = code & 0xff
  return encodeControlFrame(closeOpcode, payload.subarray(0, 2 + written), maskKey)
}

/**
 * A whole Ping frame (RFC 6455 §5.5.2).
 * @param payload at most 125 bytes
 * @param maskKey as for a Close
 */
export function encodePingFrame(payload: Uint8Array, maskKey?: Uint8Array): Uint8Array {
  return encodeControlFrame(pingOpcode, payload, maskKey)
}

function encodeControlFrame(opcode: number, payload: Uint8Array, maskKey?: Uint8Array): Uint8Array {
  const header = maskKey === undefined ? 2 : 6
  const frame = new Uint8Array(header + payload.length)
  frame[0] = fin | opcode
  frame[1] = payload.length
  frame.set(payload, header)
  if (maskKey !== undefined) mask(frame, maskKey)
  return frame
}

function mask(frame: Uint8Array, key: Uint8Array): void {
  frame[1] = (frame[1] as number) | maskBit
  frame.set(key, 2)
  for (let at = 6; at < frame.length; at++) {
    frame[at] = (frame[at] as number) ^ (key[(at - 6) & 3] as number)
  }
}
