import type { Position } from './cluster.ts'

/**
 * A position as a client may have sent it back, or null for none.
 * @throws RangeError when it is neither
 */
export function checkPosition(value: unknown): Position | null {
  if (value === null) return null
  if (typeof value === 'object' && value !== undefined && 'epoch' in value && 'offset' in value) {
    const { epoch, offset } = value
    const named = typeof epoch === 'string' && epoch.length <= 128
    if (named && typeof offset === 'number' && Number.isSafeInteger(offset) && offset >= 0) {
      return { epoch, offset }
    }
  }
  throw new RangeError(`expected null or { epoch, offset } as position, found ${describe(value)}`)
}

function describe(value: unknown): string {
  return (JSON.stringify(value) ?? String(value)).slice(0, 200)
}
