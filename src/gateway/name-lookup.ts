import type { Backend } from './backend.ts'
import { within } from './deadline.ts'
import type { Log } from './log.ts'
import type { Timers } from './timers.ts'

/**
 * Looks up the names of backends. One that does not resolve yet, or not within `patience` milliseconds, is no reason
 * to wait or to stop: it is looked up again when it is needed.
 */
export async function lookUpNames(
  backends: Iterable<Backend>,
  patience: number,
  { timers, log }: { readonly timers: Timers; readonly log: Log },
): Promise<void> {
  const unresolved = [...backends].filter((backend) => backend.unresolved)
  if (unresolved.length === 0) return
  await within(patience, Promise.all(unresolved.map((backend) => lookUp(backend, timers, log))))
}

async function lookUp(backend: Backend, timers: Timers, log: Log): Promise<void> {
  try {
    await backend.resolve(timers.now())
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error)
    log.warn(
      { event: 'backend.unresolved', code: 'BACKEND_REFUSED', backend: backend.address, reason },
      `the name of backend ${backend.address} does not resolve: ${reason}`,
    )
  }
}
