import type { GatewayConfig, PoolConfig, RouteConfig } from './options.ts'

/** What a route and its pool say about their tunnels. */
export interface TunnelRules {
  readonly heartbeat: HeartbeatRule | null
  /** Milliseconds without a message; null: forever. */
  readonly idle: number | null
  /** Milliseconds; null: forever. */
  readonly maxAge: number | null
  /** Whether a backend that closes with 1012 is drained. */
  readonly drainOnRestart: boolean
  /** Milliseconds it may live on after one side has finished. */
  readonly halfClosed: number
}

export interface HeartbeatRule {
  /** Milliseconds. */
  readonly interval: number
  readonly misses: number
  readonly to: 'both' | 'client' | 'backend'
}

export function tunnelRules(
  { heartbeat, idle, maxAge }: RouteConfig,
  { drainOnRestart }: PoolConfig,
  { halfClosed }: GatewayConfig['timeouts'],
): TunnelRules {
  return {
    heartbeat: heartbeat ?? null,
    idle: idle ?? null,
    maxAge: maxAge ?? null,
    drainOnRestart,
    halfClosed,
  }
}
