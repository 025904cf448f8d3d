import type { PoolConfig, RouteConfig } from './options.ts'

/** What a route and its pool say about their tunnels. */
export interface TunnelRules {
  readonly heartbeat: HeartbeatRule | null
  /** Milliseconds without a message; null: forever. */
  readonly idle: number | null
  /** Milliseconds; null: forever. */
  readonly maxAge: number | null
  /** Whether a backend that closes with 1012 is drained. */
  readonly drainOnRestart: boolean
}

export interface HeartbeatRule {
  /** Milliseconds. */
  readonly interval: number
  readonly misses: number
  readonly to: 'both' | 'client' | 'backend'
}

export function tunnelRules(route: RouteConfig, pool: PoolConfig): TunnelRules {
  const { heartbeat = null, idle = null, maxAge = null } = route
  return { heartbeat, idle, maxAge, drainOnRestart: pool.drainOnRestart }
}
