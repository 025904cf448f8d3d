import type { Admission } from './admission/admission.ts'
import type { Descriptors } from './admission/descriptors.ts'
import type { Backend, BackendState } from './backend.ts'
import type { Pool } from './pool.ts'
import type { Tunnel } from './tunnel.ts'

/** A pool as it is at a moment. */
export interface PoolStatus {
  readonly name: string
  /** As told to people: `round-robin`, `hash of header x-user`. */
  readonly policy: string
  /** Upgrades under way and live tunnels. */
  readonly seats: number
  /** Most of them; null: no cap. */
  readonly maxConnections: number | null
  /** Upgrades that wait for a seat. */
  readonly waiting: number
  /** Requests and upgrades that were tried with another backend, once for each. */
  readonly retries: number
  /** Those that were not, because the budget for retries was spent. */
  readonly retriesDenied: number
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
  /** Connects, upgrades and HTTP requests under way. */
  readonly active: number
  /** Upgrades under way and live tunnels, in all pools that name the address. */
  readonly seats: number
  /** Most of them; null: no cap. */
  readonly maxConnections: number | null
  /** HTTP requests and upgrades sent to it. */
  readonly requests: number
  readonly connectFailures: number
  /** What probes say; `unknown` before the first and when it is not probed. */
  readonly health: 'unknown' | 'up' | 'down'
  /** What the last probe that failed minded, null while probes find it healthy. */
  readonly problem: string | null
  /** When its ejection ends, in milliseconds since 1970; null while it is not ejected. */
  readonly ejectedUntil: number | null
  /** Messages and bytes of all tunnels, live ones included. */
  readonly messagesFromClients: number
  readonly messagesFromBackends: number
  readonly bytesFromClients: number
  readonly bytesFromBackends: number
}

/** What the whole gateway has taken in, at a moment. */
export interface AdmissionStatus {
  /** Upgrades under way and live tunnels. */
  readonly seats: number
  /** Most of them; null: no cap. */
  readonly maxConnections: number | null
  /** Upgrades that wait for a seat. */
  readonly waiting: number
  /** Client connections, idle ones and those of tunnels included. */
  readonly clientConnections: number
  /** Most of them, as the options and the process's file descriptors allow; null: no limit. */
  readonly maxClientConnections: number | null
  /** Clients that are remembered because of limits for each. */
  readonly knownClients: number
}

export function admissionStatus(admission: Admission, descriptors: Descriptors): AdmissionStatus {
  return {
    seats: admission.used,
    maxConnections: capOf(admission.cap),
    waiting: admission.waiting,
    clientConnections: descriptors.clients,
    maxClientConnections: capOf(descriptors.clientLimit),
    knownClients: admission.clients,
  }
}

/** Null instead of Infinity, which JSON does not know. */
export function capOf(cap: number): number | null {
  return cap === Number.POSITIVE_INFINITY ? null : cap
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
  const backend = pool.backends[index] as Backend
  const { address, state, connections, active, requests, connectFailures, health, seats, ended } = backend
  return {
    pool: pool.name,
    address,
    weight: pool.weights[index] as number,
    state,
    connections,
    active,
    seats: seats.used,
    maxConnections: capOf(seats.cap),
    requests,
    connectFailures,
    health: health.probe.status,
    problem: health.problem,
    ejectedUntil: health.ejectedUntil,
    messagesFromClients: ended.messagesFromClients + live.messagesFromClients,
    messagesFromBackends: ended.messagesFromBackends + live.messagesFromBackends,
    bytesFromClients: ended.bytesFromClients + live.bytesFromClients,
    bytesFromBackends: ended.bytesFromBackends + live.bytesFromBackends,
  }
}
