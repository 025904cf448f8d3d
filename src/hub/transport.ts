/**
 * The transport port: how a hub holds WebSocket connections. Two implementations: the `ws` package behind Node's http
 * servers, and Bun's own server. `transport-contract.ts` holds both to every sentence below.
 *
 * A transport frames, masks, checks UTF-8, answers pings and does the closing handshake. Queues, policies, rooms and
 * heartbeats are the hub's. A transport queues nothing of its own beyond what the runtime's socket does.
 */

/** What a client asked for, before the 101. */
export interface HandshakeRequest {
  /** Path and query as sent. */
  readonly url: string
  /** Header fields; names in lower case, several values of one name joined with `, `. */
  readonly headers: Readonly<Record<string, string | undefined>>
  /** IP address of the TCP peer; `''` on Unix sockets. */
  readonly remoteAddress: string
  /** Whether it came over TLS to this server. */
  readonly secure: boolean
  /** Subprotocols offered, in the client's order. */
  readonly protocols: readonly string[]
}

/** What the hub answers to a handshake. */
export type Admission =
  | {
      readonly accept: true
      /** One of those offered, or null. */
      readonly protocol: string | null
      /** The connection's owner; the transport never reads it. */
      readonly owner: TransportOwner
    }
  | {
      readonly accept: false
      readonly status: number
      /** Plain text. */
      readonly body: string
      readonly headers?: Readonly<Record<string, string>>
    }

/** What a transport tells about one connection. Called one after the other, never from inside a method of it. */
export interface TransportOwner {
  /** The 101 is on its way. First, once. */
  opened(connection: TransportConnection): void
  /** One whole message. The bytes are the receiver's to keep. Not called while paused. */
  message(data: string | Uint8Array): void
  pong(): void
  /** The queue that a `send` found too long has gone down to nothing. Once for each `false`. */
  drained(): void
  /** The end: exactly once, last. Code 1005 without one in the Close, 1006 without a Close. */
  closed(code: number, reason: string): void
}

/** A message made ready once, to be sent to many. Opaque: made and read by one transport. */
export interface Prepared {
  /** Bytes of the message without framing. */
  readonly size: number
}

/** One WebSocket. After its close every method does nothing. */
export interface TransportConnection {
  /** Bytes given to `send` that the kernel has not taken. */
  readonly queuedBytes: number
  /**
   * Sends messages, in order, all of them, with one write to the socket where the runtime can. `false`: the queue is
   * not empty; `drained` follows, unless the close comes first. Never drops.
   */
  send(messages: readonly Prepared[]): boolean
  ping(): void
  /** No `message` from now on (one that is being parsed MAY still come), and the socket is not read further. */
  pause(): void
  resume(): void
  /** Begins the closing handshake, behind what was sent; cut when it is not over after `closeTimeout`. Idempotent. */
  close(code: number, reason: string): void
  /** Cuts. */
  terminate(): void
}

/** Frames a message once. */
export interface Framer {
  prepare(data: string | Uint8Array): Prepared
}

/** What of the hub's options a transport has to know. */
export interface TransportOptions {
  /** Bytes of one message, after decompression; a larger one is answered with Close 1009. */
  readonly maxMessage: number
  /** permessage-deflate. @default false */
  readonly compression: boolean
  /** Milliseconds for the peer to answer a Close. */
  readonly closeTimeout: number
  /** Decides about each handshake. May take its time: a client that leaves meanwhile is never `opened`. */
  admit(request: HandshakeRequest): Admission | Promise<Admission>
}
