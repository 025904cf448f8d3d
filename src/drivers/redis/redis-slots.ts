/** Hash slots of a Redis Cluster. */
export const slotCount = 16_384

/**
 * Channels and keys are spread over so many parts, each with a hash tag of its own, so that what has to change in one
 * step (a room's history and its channel) is at one server, and subscriptions are restored part by part.
 */
const parts = 256

/** `{namespace:017}` */
export function tagOf(namespace: string, channel: string): string {
  return `{${namespace}:${String(fnv(channel) % parts).padStart(3, '0')}}`
}

/** The slot of a key that begins with a hash tag. */
export function slotOfTag(tagged: string): number {
  return crc16(tagged.slice(1, tagged.indexOf('}'))) % slotCount
}

function fnv(text: string): number {
  let hash = 0x811c9dc5
  for (let index = 0; index < text.length; index++) {
    hash = Math.imul(hash ^ text.charCodeAt(index), 0x01000193)
  }
  return hash >>> 0
}

/** CRC-16/XMODEM, as the Redis Cluster specification has it. Of ASCII, which tags are. */
function crc16(text: string): number {
  let crc = 0
  for (let index = 0; index < text.length; index++) {
    crc ^= text.charCodeAt(index) << 8
    for (let bit = 0; bit < 8; bit++)
      crc = crc & 0x8000 ? ((crc << 1) ^ 0x1021) & 0xffff : (crc << 1) & 0xffff
  }
  return crc
}
