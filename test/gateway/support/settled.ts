/**
 * The value once it has stayed the same for some turns of the event loop and is not the first one any more: what
 * was going on has come to rest.
 */
export async function settled(value: () => number, turns = 200): Promise<number> {
  const first = value()
  let last = first
  for (let same = 0; same < turns || last === first; same++) {
    await new Promise((resolve) => setImmediate(resolve))
    if (value() !== last) same = 0
    last = value()
  }
  return last
}
