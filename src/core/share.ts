import { Secret } from './secret.ts'

/**
 * `after`, but every part of it that says the same as the part of `before` in its place is that very object: what has
 * not changed can then be told by `===`. Takes plain data and secrets; the order of keys says nothing.
 */
export function share<Value>(before: unknown, after: Value): Value {
  if (before === after || typeof before !== 'object' || typeof after !== 'object') return after
  if (before === null || after === null) return after
  if (before instanceof Secret || after instanceof Secret)
    return sameSecret(before, after) ? (before as Value) : after
  if (Array.isArray(before) !== Array.isArray(after)) return after
  return shareParts(before, after) as Value
}

/** Whether both say the same. */
export function same(first: unknown, second: unknown): boolean {
  return share(first, second) === first
}

function shareParts(before: object, after: object): object {
  const entries = Object.entries(after)
  const old = before as Readonly<Record<string, unknown>>
  let equal = Object.keys(before).length === entries.length
  const parts = entries.map(([key, value]) => {
    const part = Object.hasOwn(old, key) ? share(old[key], value) : value
    equal &&= Object.hasOwn(old, key) && part === old[key]
    return [key, part] as const
  })
  if (equal) return before
  return Object.freeze(Array.isArray(after) ? parts.map(([, part]) => part) : Object.fromEntries(parts))
}

function sameSecret(first: object, second: object): boolean {
  return first instanceof Secret && second instanceof Secret && first.reveal() === second.reveal()
}
