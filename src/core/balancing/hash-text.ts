/**
 * 32 bits of a text, equal on every gateway and in every version, because clients stay with their backends by
 * it. MurmurHash3's 32-bit rounds (Austin Appleby, public domain) over UTF-16 code units. Not a secret: who
 * wants can find texts that meet in one value.
 */
export function hashText(text: string, seed = 0): number {
  let hash = seed | 0
  for (let i = 0; i < text.length; i++) {
    const mixed = Math.imul(text.charCodeAt(i), 0xcc9e2d51)
    hash ^= Math.imul((mixed << 15) | (mixed >>> 17), 0x1b873593)
    hash = (Math.imul((hash << 13) | (hash >>> 19), 5) + 0xe6546b64) | 0
  }
  return mixBits(hash ^ text.length)
}

/** Spreads every bit over all 32: the finalizer of MurmurHash3. */
export function mixBits(bits: number): number {
  let hash = bits | 0
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b)
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35)
  return (hash ^ (hash >>> 16)) >>> 0
}
