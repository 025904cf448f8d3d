/**
 * What is used of Bun's server and its WebSockets. Written down here so that nobody needs Bun's types to use the hub.
 */

/** `ServerWebSocket`. */
export interface BunSocket<Data> {
  readonly data: Data
  /** -1: queued, because the peer does not keep up. */
  send(data: string | Uint8Array, compress?: boolean): number
  cork(write: (socket: BunSocket<Data>) => void): unknown
  subscribe(topic: string): unknown
  unsubscribe(topic: string): unknown
  ping(): unknown
  pause(): void
  resume(): void
  close(code: number, reason: string): void
  terminate(): void
  getBufferedAmount(): number
}

/** `Server`, the second argument of `fetch`. */
export interface BunServer {
  upgrade(request: Request, options: { data: never; headers: Record<string, string> }): boolean
  publish(topic: string, data: string | Uint8Array, compress?: boolean): number
  /** WebSockets that are open. */
  readonly pendingWebSockets: number
  requestIP(request: Request): { readonly address: string } | null
}

/** `WebSocketHandler`, for `Bun.serve({ websocket })`. */
export interface BunWebSocketHandler<Data> {
  readonly maxPayloadLength: number
  readonly backpressureLimit: number
  readonly idleTimeout: number
  readonly sendPings: boolean
  readonly perMessageDeflate: boolean
  open(socket: BunSocket<Data>): void
  message(socket: BunSocket<Data>, data: string | Uint8Array): void
  ping(socket: BunSocket<Data>, data: Uint8Array): void
  pong(socket: BunSocket<Data>): void
  drain(socket: BunSocket<Data>): void
  close(socket: BunSocket<Data>, code: number, reason: string): void
}
