import type { Emitter } from '../core/emitter.ts'
import type { BackendState } from './backend.ts'

/** What a gateway tells, by name. Payloads are made only when somebody listens. */
export interface GatewayEvents {
  'tunnel.opened': TunnelStart
  'tunnel.closed': TunnelEnd
  'backend.state': BackendStateChange
  /** A drained backend has neither tunnels nor HTTP requests any more. */
  'backend.drained': { readonly backend: string }
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
  /** Milliseconds from the request to the 101. */
  readonly handshakeMs: number
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

/** Who may change a backend's state: the operator by config or by call, or the backend about itself. */
export type StateSource = 'config' | 'api' | 'backend'
