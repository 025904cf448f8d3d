import type { RouteMatcher } from '../core/routing.ts'
import type { HeadFailure } from '../http1/failure.ts'
import type { HeadLimits } from '../http1/head-limits.ts'
import type { RequestHead } from '../http1/request-head.ts'
import type { ResponseHead } from '../http1/response-head.ts'
import type { TrustedNetworks } from '../net/address.ts'
import type { SocketPort } from '../net/socket.ts'
import type { BackendConnectionHost } from './backend-connection.ts'
import type { ConnectionReuse } from './connection-reuse.ts'
import type { HealthKeeper } from './health/health-keeper.ts'
import type { GatewayConfig } from './options.ts'
import type { Pool } from './pool.ts'
import type { TunnelHost } from './tunnel.ts'
import type { TunnelRules } from './tunnel-rules.ts'

/** What every connection of one gateway shares. */
export interface GatewayContext extends TunnelHost, BackendConnectionHost {
  readonly config: GatewayConfig
  readonly sockets: SocketPort
  readonly trusted: TrustedNetworks
  readonly reuse: ConnectionReuse
  readonly health: HealthKeeper
  readonly headLimits: HeadLimits
  readonly matchRoute: RouteMatcher
  /** The pool of each route, in the order of the routes. Replaced whole when a pool changes. */
  routePools: readonly Pool[]
  /** What each route says about its tunnels, in the same order. */
  readonly routeTunnels: readonly TunnelRules[]
  /** True from the start of a drain: answers say `Connection: close`. */
  draining: boolean
  nextRequestId(): string
  parseRequest(bytes: Uint8Array, start: number, end: number): RequestHead | HeadFailure
  /** The parser of a backend's answer depends on what was asked. */
  responseParser(method: string): ResponseParser
}

export type ResponseParser = (bytes: Uint8Array, start: number, end: number) => ResponseHead | HeadFailure
