/** A WebSocket close code that Fairlead itself sends. */
export interface CloseCode {
  readonly code: number
  readonly reason: string
  /** Whether the client should connect again. 4000-4499 always say yes, 4500-4999 always say no. */
  readonly reconnect: boolean
}

/** Every close code of our own (RFC 6455 §7.4, IANA registry for 1012 and 1013). */
export const closeCodes = {
  goingAway: { code: 1001, reason: 'gateway stopping', reconnect: true },
  stopping: { code: 1001, reason: 'server stopping', reconnect: true },
  // Also 1001: it says that the connection goes and nothing went wrong, so libraries connect again, which after
  // 1000 many do not, and nobody counts it as a failure, as 1011 would be.
  idle: { code: 1001, reason: 'idle for too long', reconnect: true },
  maxAge: { code: 1001, reason: 'maximum age reached', reconnect: true },
  unanswered: { code: 1001, reason: 'the other side does not answer', reconnect: true },
  protocol: { code: 1002, reason: 'broken framing', reconnect: false },
  policy: { code: 1008, reason: 'policy violation', reconnect: false },
  tooManyMessages: { code: 1008, reason: 'too many messages', reconnect: false },
  tooBig: { code: 1009, reason: 'message too big', reconnect: false },
  internal: { code: 1011, reason: 'internal error', reconnect: true },
  restart: { code: 1012, reason: 'service restart', reconnect: true },
  // Said for one backend, by a gateway that lives on: whoever stands in front of it must not take it for its own.
  draining: { code: 1012, reason: 'backend draining', reconnect: true },
  unhealthy: { code: 1012, reason: 'backend unhealthy', reconnect: true },
  tryLater: { code: 1013, reason: 'try again later', reconnect: true },
  slowConsumer: { code: 4008, reason: 'too slow to take its messages', reconnect: true },
} as const satisfies Record<string, CloseCode>

/** Whether a Close says that the peer itself restarts, and not somebody behind it. */
export function isRestart(code: number, reason: string): boolean {
  const { restart, draining, unhealthy } = closeCodes
  return code === restart.code && reason !== draining.reason && reason !== unhealthy.reason
}
