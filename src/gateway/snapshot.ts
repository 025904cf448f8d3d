import { compileRoutes, type RouteMatcher } from '../core/routing.ts'
import type { HeadFailure } from '../http1/failure.ts'
import type { HeadLimits } from '../http1/head-limits.ts'
import { parseRequestHead, type RequestHead } from '../http1/request-head.ts'
import { parseResponseHead, type ResponseHead } from '../http1/response-head.ts'
import { type TrustedNetworks, trustedNetworks } from '../net/address.ts'
import type { GatewayConfig, PoolConfig, RouteConfig } from './options.ts'
import type { Pool } from './pool.ts'
import type { Pools, Topology } from './topology.ts'
import { type TunnelRules, tunnelRules } from './tunnel-rules.ts'

/** What a route decides about the requests that it takes. */
export interface Route {
  readonly pool: Pool
  readonly tunnels: TunnelRules
}

/**
 * Everything that a configuration decides. Never changes: another configuration gives another snapshot, which takes
 * the place of this one in one assignment. A request keeps the one it began with to its end.
 */
export interface Snapshot {
  readonly config: GatewayConfig
  readonly pools: Pools
  /** In the order of the configuration. */
  readonly routes: readonly Route[]
  readonly matchRoute: RouteMatcher
  readonly trusted: TrustedNetworks
  readonly headLimits: HeadLimits
  /** Whether access lines are wanted, so that nobody builds a line that is thrown away. */
  readonly accessLog: boolean
  parseRequest(bytes: Uint8Array, start: number, end: number): RequestHead | HeadFailure
  /** The parser of a backend's answer depends on what was asked. */
  responseParser(method: string): ResponseParser
}

export type ResponseParser = (bytes: Uint8Array, start: number, end: number) => ResponseHead | HeadFailure

/** The pools of a snapshot, in the order of the configuration. */
export function ownPools({ pools }: Snapshot): Pool[] {
  return [...pools.values()].map(({ pool }) => pool)
}

/** The pools of a snapshot and the views of them that routes have. */
export function poolsOf(snapshot: Snapshot): Set<Pool> {
  return new Set([...ownPools(snapshot), ...snapshot.routes.map(({ pool }) => pool)])
}

/** @param before the snapshot whose place it takes; what has not changed is the same object in both */
export function makeSnapshot(config: GatewayConfig, topology: Topology, before?: Snapshot): Snapshot {
  const headLimits = { bytes: config.limits.head, fields: config.limits.fields }
  const forHead: ResponseParser = (bytes, start, end) =>
    parseResponseHead(bytes, start, end, headLimits, 'HEAD')
  const forRest: ResponseParser = (bytes, start, end) =>
    parseResponseHead(bytes, start, end, headLimits, 'GET')
  const pools = topology.pools(config, before?.pools)
  const sameTrust = before?.config.trustedProxies === config.trustedProxies
  return {
    config,
    pools,
    routes: makeRoutes(config, topology, pools, before),
    matchRoute: compileRoutes(config.routes),
    trusted: sameTrust ? before.trusted : trustedNetworks(config.trustedProxies),
    headLimits,
    accessLog: config.log.access && (config.log.level === 'info' || config.log.level === 'debug'),
    parseRequest: (bytes, start, end) => parseRequestHead(bytes, start, end, headLimits),
    responseParser: (method) => (method === 'HEAD' ? forHead : forRest),
  }
}

function makeRoutes(config: GatewayConfig, topology: Topology, pools: Pools, before?: Snapshot): Route[] {
  const known = (before?.routes ?? []).map(({ pool }, index) => {
    return { pool, route: before?.config.routes[index] as RouteConfig }
  })
  const chosen = topology.views(config.routes, pools, known)
  return config.routes.map((route, index) => ({
    pool: chosen[index] as Pool,
    tunnels: tunnelRules(route, config.pools[route.pool] as PoolConfig, config.timeouts),
  }))
}
