import type { Clock } from '../clock.ts'

/** Resolves when the work is done, or has failed, or when so many milliseconds have passed. */
export function settledWithin(clock: Clock, milliseconds: number, work: Promise<unknown>): Promise<void> {
  return new Promise((resolve) => {
    const cancel = clock.after(milliseconds, resolve)
    const done = () => {
      cancel()
      resolve()
    }
    work.then(done, done)
  })
}
