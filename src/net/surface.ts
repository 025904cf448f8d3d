/**
 * Throws from the top of the event loop, so that a mistake in a handler is an `uncaughtException` on both
 * runtimes. Bun would give it to the socket's own `error` callback, where nobody sees it.
 */
export function surface(error: unknown): void {
  queueMicrotask(() => {
    throw error
  })
}
