import { CR, LF } from './byte-classes.ts'

/** Whether a range ends with CRLF CRLF, so that scans inside it need no bounds. */
export function endsWithEmptyLine(bytes: Uint8Array, start: number, end: number): boolean {
  return (
    end - start >= 4 &&
    end <= bytes.length &&
    bytes[end - 1] === LF &&
    bytes[end - 2] === CR &&
    bytes[end - 3] === LF &&
    bytes[end - 4] === CR
  )
}
