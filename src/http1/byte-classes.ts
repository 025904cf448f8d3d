/** CR, LF and friends, so that the parsers read like the grammar. */
export const HTAB = 0x09
export const LF = 0x0a
export const CR = 0x0d
export const SP = 0x20
export const COLON = 0x3a
export const DEL = 0x7f

/** 1 for every byte of `token` (RFC 9110 §5.6.2): what methods and field names are made of. */
export const tokenByte = classOf((byte) => /^[!#$%&'*+\-.^_`|~0-9A-Za-z]$/.test(String.fromCharCode(byte)))

/**
 * 1 for every byte that may stand in a field value: visible characters, space, tab and obs-text
 * (RFC 9110 §5.5). CR, LF, NUL, DEL and the other controls are 0.
 */
export const valueByte = classOf((byte) => byte === HTAB || (byte >= 0x20 && byte !== DEL))

/** 1 for every byte of a request target: visible ASCII but `#`, which starts a fragment (RFC 9112 §3.2). */
export const targetByte = classOf((byte) => byte > 0x20 && byte < 0x7f && byte !== 0x23)

/** The value of a hexadecimal digit, 255 for everything else. */
export const hexValue = new Uint8Array(256).map((_, byte) => {
  const digit = '0123456789abcdef'.indexOf(String.fromCharCode(byte).toLowerCase())
  return digit === -1 ? 255 : digit
})

function classOf(member: (byte: number) => boolean): Uint8Array {
  return new Uint8Array(256).map((_, byte) => (member(byte) ? 1 : 0))
}

type Latin1Slice = (this: Uint8Array, start: number, end: number) => string
const latin1Slice = (Buffer.prototype as unknown as { latin1Slice: Latin1Slice }).latin1Slice

/**
 * Bytes as text, one character per byte. Works on plain `Uint8Array` on both runtimes, unlike `toString`,
 * and costs a third of `TextDecoder` (70 against 187 ns for 420 bytes on Node, 54 against 103 on Bun).
 */
export function latin1(bytes: Uint8Array, start: number, end: number): string {
  return latin1Slice.call(bytes, start, end)
}
