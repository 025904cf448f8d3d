import type { Emitter } from '../core/emitter.ts'
import type { ErrorCode } from '../core/errors.ts'
import type { DescriptorLevel, RoomLevel } from './admission/levels.ts'
import type { BackendState } from './backend.ts'
import type { ReloadSummary } from './config-changes.ts'

/** What a gateway tells, by name. Payloads are made only when somebody listens. */
export interface GatewayEvents {
  'tunnel.opened': TunnelStart
  'tunnel.closed': TunnelEnd
  'backend.state': BackendStateChange
  /** A drained backend has neither tunnels nor HTTP requests any more. */
  'backend.drained': { readonly backend: string }
  'room.level': RoomLevelChange
  'descriptors.level': DescriptorLevelChange
  'backend.unhealthy': BackendUnhealthy
  'backend.healthy': BackendHealthy
  'backend.ejected': BackendEjected
  'backend.returned': BackendReturned
  /** Too few of a pool are available: health is ignored. */
  'pool.panic': PoolMood
  /** Enough are available again. */
  'pool.calm': PoolMood
  /** Another configuration is in force; also told when it says the same as before. */
  reload: ReloadSummary
  /** Another configuration was not taken, and the old one stays in force. */
  reloadFailed: ReloadFailure
}

export type GatewayEmitter = Emitter<GatewayEvents>

/** A tunnel was opened. */
export interface TunnelStart {
  readonly requestId: string
  /** The client's IP address; `''` on Unix sockets. */
  readonly client: string
  readonly host: string
  /** Without the query. */
  readonly path: string
  readonly backend: string
  /** Backends that were tried, this one included. */
  readonly attempts: number
  /** Milliseconds from the request to the 101. */
  readonly handshakeMs: number
  /** Milliseconds of these that it waited for a seat; 0 when it got one at once. */
  readonly waitedMs: number
}

/** A tunnel has ended. */
export interface TunnelEnd {
  readonly requestId: string
  readonly backend: string
  readonly durationMs: number
  readonly endedBy: 'client' | 'backend' | 'gateway'
  /** 1006 when there was no Close. */
  readonly closeCode: number
  readonly messagesFromClient: number
  readonly messagesFromBackend: number
  readonly bytesFromClient: number
  readonly bytesFromBackend: number
  /** What broke, if something did: a socket, or `framing`, by which `endedBy` is meant. */
  readonly error?: string
}

/** Somebody changed whether a backend may serve. */
export interface BackendStateChange {
  readonly backend: string
  readonly state: BackendState
  readonly previous: BackendState
  /** Whose word it was. */
  readonly by: StateSource
}

/** A waiting room has become full, is filling (80 %), or is calm again (below 50 %). */
export interface RoomLevelChange {
  readonly pool: string
  readonly level: RoomLevel
  /** Upgrades that wait. */
  readonly waiting: number
  /** Most that may wait. */
  readonly size: number
}

/** The gateway comes close to the client connections it may have, has no more to give, or has enough again. */
export interface DescriptorLevelChange {
  readonly level: DescriptorLevel
  /** Client connections, idle ones and those of tunnels included. */
  readonly clients: number
  /** Most there may be. */
  readonly limit: number
}

/** So many probes in a row have failed. */
export interface BackendUnhealthy {
  readonly backend: string
  /** What the last one minded. */
  readonly reason: string
  readonly failures: number
}

/** Enough probes in a row have passed; one for a backend that was not probed before. */
export interface BackendHealthy {
  readonly backend: string
  readonly reason: string
  readonly previous: 'unknown' | 'down'
}

/** It has failed so many times in a row that it gets nothing for a while. */
export interface BackendEjected {
  readonly backend: string
  /** What it failed at last. */
  readonly reason: string
  readonly failures: number
  readonly forMs: number
  /** Ejections that are not forgiven yet, this one included. */
  readonly ejections: number
}

/** Its ejection is over. */
export interface BackendReturned {
  readonly backend: string
  readonly reason: string
}

/** How many of a pool are available, of those that are active and have a weight. */
export interface PoolMood {
  readonly pool: string
  readonly available: number
  readonly total: number
  readonly reason: string
}

/** Why a configuration was not taken. */
export interface ReloadFailure {
  readonly code: ErrorCode
  /** Every mistake, one in a line. */
  readonly message: string
}

/** Who may change a backend's state: the operator by config or by call, or the backend about itself. */
export type StateSource = 'config' | 'api' | 'backend'
