/** Whether a program may send this code in a Close (RFC 6455 §7.4, IANA registry); 1002 and the like are the protocol's. */
export function isSendableCode(code: number): boolean {
  if (!Number.isInteger(code)) return false
  if (code >= 3000) return code <= 4999
  return code === 1000 || code === 1001 || code === 1003 || (code >= 1007 && code <= 1014)
}

// RFC 6455 §5.5: a control frame carries at most 125 bytes, and the code takes two of them.
const longest = 123

/** A reason that fits into a Close, cut between two characters. */
export function cutReason(reason: string): string {
  if (reason.length * 3 <= longest) return reason
  const bytes = new Uint8Array(longest)
  const { read } = new TextEncoder().encodeInto(reason, bytes)
  return reason.slice(0, read)
}

/** @throws RangeError when a program may not send this code */
export function checkCode(code: number): void {
  if (isSendableCode(code)) return
  throw new RangeError(
    `expected a close code of 1000, 1001, 1003, 1007 to 1014 or 3000 to 4999, found ${code}`,
  )
}
