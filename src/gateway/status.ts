import type { Backend, BackendState } from './backend.ts'
import type { Pool } from './pool.ts'
import type { Tunnel } from './tunnel.ts'

/** A pool as it is at a moment. */
export interface PoolStatus {
  readonly name: string
  readonly policy: string
  readonly backends: readonly BackendStatus[]
}

/** A backend's numbers since the gateway was created. */
export interface BackendStatus {
  readonly pool: string
  readonly address: string
  readonly weight: number
  /** Whether it may serve; only `active` ones get new connections. */
  readonly state: BackendState
  /** Live tunnels. */
  readonly connections: number
  /** HTTP requests and upgrades sent to it. */
  readonly requests: number
  readonly connectFailures: number
  /** Messages and bytes of all tunnels, live ones included. */
  readonly messagesFromClients: number
  readonly messagesFromBackends: number
  readonly bytesFromClients: number
  readonly bytesFromBackends: number
}

/** Every backend of every pool, with its numbers at this moment. */
export function backendStatuses(pools: Iterable<Pool>, tunnels: Iterable<Tunnel>): BackendStatus[] {
  const live = new Map<Backend, TrafficTotals>()
  for (const { backend, fromClient, fromBackend } of tunnels) {
    const totals = live.get(backend) ?? new TrafficTotals()
    totals.messagesFromClients += fromClient.messages
    totals.messagesFromBackends += fromBackend.messages
    totals.bytesFromClients += fromClient.bytes
    totals.bytesFromBackends += fromBackend.bytes
    live.set(backend, totals)
  }
  return [...pools].flatMap((pool) =>
    pool.backends.map((backend, index) => backendStatus(pool, index, live.get(backend))),
  )
}

class TrafficTotals {
  messagesFromClients = 0
  messagesFromBackends = 0
  bytesFromClients = 0
  bytesFromBackends = 0
}

function backendStatus(pool: Pool, index: number, live: TrafficTotals = new TrafficTotals()): BackendStatus {
  const { address, state, connections, requests, connectFailures, ended } = pool.backends[index] as Backend
  return {
    pool: pool.name,
    address,
    weight: pool.weights[index] as number,
    state,
    connections,
    requests,
    connectFailures,
    messagesFromClients: ended.messagesFromClients + live.messagesFromClients,
    messagesFromBackends: ended.messagesFromBackends + live.messagesFromBackends,
    bytesFromClients: ended.bytesFromClients + live.bytesFromClients,
    bytesFromBackends: ended.bytesFromBackends + live.bytesFromBackends,
  }
}
