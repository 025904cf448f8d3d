/** The value once it has stayed the same for 60 ms and many turns of the event loop: nothing moves any more. */
export async function atRest(value: () => number): Promise<number> {
  let last = value()
  let since = performance.now()
  for (let turns = 0; turns < 50 || performance.now() - since < 60; turns++) {
    await new Promise((resolve) => setImmediate(resolve))
    const now = value()
    if (now === last) continue
    last = now
    turns = 0
    since = performance.now()
  }
  return last
}
