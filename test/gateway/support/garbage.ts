import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'

/** How many of these are still held by somebody, after the collector has had some chances. */
export async function stillHeld(references: readonly WeakRef<object>[]): Promise<number> {
  const collect = collector()
  let held = references.length
  for (let round = 0; round < 20 && held > 0; round++) {
    await new Promise((resolve) => setTimeout(resolve, 10))
    collect()
    held = references.filter((reference) => reference.deref() !== undefined).length
  }
  return held
}

function collector(): () => void {
  if (process.versions.bun !== undefined) return () => Bun.gc(true)
  setFlagsFromString('--expose-gc')
  return runInNewContext('gc') as () => void
}
