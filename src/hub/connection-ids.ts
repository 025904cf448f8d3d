import { randomFillSync } from 'node:crypto'

/** 120 bits, of which nobody guesses one; a multiple of 3 so that base64 needs no padding. */
const randomBytes = 15

const pool = Buffer.alloc(randomBytes * 64)
let used = pool.length

/** An id that nobody can guess, of letters, digits, `_` and `-`. */
export function randomId(): string {
  if (used === pool.length) {
    randomFillSync(pool)
    used = 0
  }
  used += randomBytes
  return pool.toString('base64url', used - randomBytes, used)
}
