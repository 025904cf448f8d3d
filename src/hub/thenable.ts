/** Whether something has to be waited for. */
export function isThenable(value: unknown): value is PromiseLike<unknown> {
  return typeof value === 'object' && value !== null && 'then' in value && typeof value.then === 'function'
}

/** Does `work`, and tells when it throws or its promise rejects; nobody waits for it. */
export function watch(work: () => unknown, failed: (error: unknown) => void): void {
  try {
    const result = work()
    if (isThenable(result)) result.then(undefined, failed)
  } catch (error) {
    failed(error)
  }
}

/**
 * Calls every handler, in order, and returns what has to be waited for: all their promises and `work`. When one throws
 * at once, that is thrown, and the rejections of others, which nobody waits for any more, are nobody's.
 */
export function callAll<Payload>(
  handlers: readonly ((payload: Payload) => unknown)[],
  payload: Payload,
  work?: unknown,
): unknown {
  let waiting = work
  try {
    for (const handler of handlers) waiting = both(waiting, handler(payload))
  } catch (error) {
    if (isThenable(waiting)) waiting.then(undefined, () => {})
    throw error
  }
  return waiting
}

function both(work: unknown, more: unknown): unknown {
  if (!isThenable(work)) return more
  return isThenable(more) ? Promise.all([work, more]) : work
}
