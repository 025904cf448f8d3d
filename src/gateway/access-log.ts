import type { RequestHead } from '../http1/request-head.ts'
import type { Backend } from './backend.ts'
import type { GatewayContext } from './context.ts'
import type { TunnelStart } from './events.ts'
import type { Failure } from './failure.ts'
import type { Peer } from './forwarding.ts'
import type { Tunnel } from './tunnel.ts'

/** A request or an upgrade, as far as it came. */
interface Served {
  readonly head: RequestHead
  readonly requestId: string
  readonly startedAt: number
  readonly backend: Backend | null
  /** Backends that were tried. */
  readonly attempts: number
  readonly status: number
  readonly bytesFromClient: number
  readonly bytesFromBackend: number
  /** Milliseconds it waited for a seat. */
  readonly waitedMs?: number
}

// Paths are logged without their query, and no header but Host: both may carry tokens.

/** The access line of a request that is over; `code` tells what went wrong with it, if anything. */
export function logRequest(context: GatewayContext, served: Served, peer: Peer, code: string | null): void {
  if (!context.snapshot.accessLog) return
  const { head, backend, startedAt } = served
  context.log.info(
    {
      event: 'request.completed',
      requestId: served.requestId,
      client: peer.address,
      method: head.method,
      host: head.host,
      path: head.path,
      status: served.status,
      backend: backend?.address,
      attempts: served.attempts,
      durationMs: rounded(context.timers.now() - startedAt),
      bytesFromClient: served.bytesFromClient,
      bytesFromBackend: served.bytesFromBackend,
      ...(served.waitedMs !== undefined && served.waitedMs > 0 && { waitedMs: rounded(served.waitedMs) }),
      ...(code !== null && { code }),
    },
    'request',
  )
}

/** The access line of a request that was sent nowhere. */
export function logDeclined(
  context: GatewayContext,
  head: RequestHead,
  requestId: string,
  peer: Peer,
  status: number,
  failure: Failure,
): void {
  const startedAt = context.timers.now()
  const served = {
    head,
    requestId,
    startedAt,
    backend: null,
    attempts: 0,
    status,
    bytesFromClient: 0,
    bytesFromBackend: 0,
  }
  logRequest(context, served, peer, failure.code)
}

/** The access line of bytes that were no request. */
export function logRefused(context: GatewayContext, requestId: string, peer: Peer, failure: Failure): void {
  if (!context.snapshot.accessLog) return
  const { code, message } = failure
  context.log.info(
    { event: 'request.refused', requestId, client: peer.address, code, reason: message },
    'request refused',
  )
}

/** The line and the event of a new tunnel. */
export function tellTunnelOpened(
  context: GatewayContext,
  { head, startedAt, attempts, waitedMs = 0 }: Served,
  tunnel: Tunnel,
  peer: Peer,
): void {
  const { events, log } = context
  const { accessLog } = context.snapshot
  const listens = events.listens('tunnel.opened')
  if (!accessLog && !listens) return
  const start: TunnelStart = {
    requestId: tunnel.requestId,
    client: peer.address,
    host: head.host,
    path: head.path,
    backend: tunnel.backend.address,
    attempts,
    handshakeMs: rounded(tunnel.openedAt - startedAt),
    waitedMs: rounded(waitedMs),
  }
  if (accessLog) log.info({ event: 'tunnel.opened', ...start }, 'tunnel opened')
  if (listens) events.emit('tunnel.opened', start)
}

/** A backend failed at what another one gets now. The budget bounds how many lines there are. */
export function logRetry(
  context: GatewayContext,
  failure: Failure,
  requestId: string,
  backend: Backend,
  next: Backend,
): void {
  const { code, message } = failure
  const line = { event: 'request.retried', requestId, code, backend: backend.address, next: next.address }
  context.log.warn(line, `${message}: another one is tried`)
}

/** What went wrong and whose fault it was: warnings for backends, the rest only when asked for. */
export function logFailure(
  context: GatewayContext,
  failure: Failure,
  requestId: string,
  backend: Backend | null,
): void {
  const { code, message } = failure
  const line = { event: 'request.failed', requestId, code, backend: backend?.address }
  if (code.startsWith('BACKEND_') || code === 'NO_BACKEND') context.log.warn(line, message)
  else context.log.debug(line, message)
}

function rounded(milliseconds: number): number {
  return Math.round(milliseconds * 1000) / 1000
}
