/** Whether something has to be waited for. */
export function isThenable(value: unknown): value is PromiseLike<unknown> {
  return typeof value === 'object' && value !== null && 'then' in value && typeof value.then === 'function'
}

/** What has to be waited for to wait for two things. */
export function both(work: unknown, more: unknown): unknown {
  if (!isThenable(work)) return more
  return isThenable(more) ? Promise.all([work, more]) : work
}
