/**
 * What is wrong with a message. Failures are returned, never thrown: malformed input is a hot path under
 * attack. A failed connection is answered (if it is a client's) and closed, because nobody can say where the
 * next message would begin.
 */
export interface HeadFailure {
  readonly failed: true
  /**
   * What to answer a client: 400 malformed, 417 an expectation we do not know, 431 too large, 501 a method or
   * transfer coding we do not speak, 505 another HTTP version. From a backend, every one of them means 502.
   */
  readonly status: 400 | 417 | 431 | 501 | 505
  /** One short English phrase for logs and answers. Never contains bytes of the peer. */
  readonly reason: string
}

/** Makes a failure. */
export function failure(status: HeadFailure['status'], reason: string): HeadFailure {
  return { failed: true, status, reason }
}

/** Whether a parser returned a failure. */
export function isFailure(result: unknown): result is HeadFailure {
  return typeof result === 'object' && result !== null && (result as { failed?: unknown }).failed === true
}
