import type { Batch } from './batch.ts'
import type { Message } from './message.ts'

/**
 * The transport port: how a hub holds WebSocket connections. Two implementations: the `ws` package behind Node's http
 * servers, and Bun's own server. `transport-contract.ts` holds both to every sentence below.
 *
 * A transport frames, masks, checks UTF-8, answers pings and does the closing handshake. Queues, policies, rooms and
 * heartbeats are the hub's. A transport queues nothing of its own beyond what the runtime's socket does.
 */

/**
 * What a client asked for, before the 101. Read its fields, also later: not every transport has them ready, so that a
 * spread (`{ ...request }`) may hold none of them.
 */
export interface HandshakeRequest {
  /** Path and query: as sent, on Bun as a URL has them (`/x/../ws` is `/ws`). */
  readonly url: string
  /** Header fields; names in lower case, several values of one name joined with `, `. */
  readonly headers: Readonly<Record<string, string | undefined>>
  /** IP address of the TCP peer; `''` on Unix sockets and when it is gone already. */
  readonly remoteAddress: string
  /** Whether it came over TLS to this server. */
  readonly secure: boolean
  /** Subprotocols offered, in the client's order. */
  readonly protocols: readonly string[]
  /** Aborted when the client leaves before it has its answer: what is looked up for it is of no use any more. */
  readonly signal: AbortSignal
}

/** A handshake, as a transport shows it to the hub. */
export interface Handshake extends HandshakeRequest {
  /** The `Origin` field: asked for in every handshake, where it may cost something to have all `headers`. */
  readonly origin: string | undefined
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
      /** Plain text, unless `headers` say otherwise. */
      readonly body: string
      /** None that frame the answer, such as Content-Length. */
      readonly headers?: Readonly<Record<string, string>>
    }

/**
 * What a transport tells about one connection. Called one after the other, never from inside a method of it. None of
 * them throws.
 */
export interface TransportOwner {
  /** The 101 is on its way. First, once. */
  opened(connection: TransportConnection): void
  /** One whole message. The bytes are the receiver's to keep. Not told after the connection's `close`. */
  message(data: string | Uint8Array): void
  pong(): void
  /** The peer has taken what a `send` answered `false` to. Once after one or several of them, unless the end comes first. */
  drained(): void
  /**
   * The end: exactly once, last. Also when the client left, or turned out to be none, before it was `opened`: then
   * alone. The peer's code; 1005 when its Close had none, 1006 when there was no Close, and the code that it was sent
   * (1002, 1007, 1009) when it broke the protocol or a limit. After the connection's own `close` any of these.
   */
  closed(code: number, reason: string): void
}

/** One WebSocket. After its close every method does nothing. */
export interface TransportConnection {
  /** Bytes given to `send` that the kernel has not taken. */
  readonly queuedBytes: number
  /**
   * Sends a batch, with one write to the socket where the runtime can. `false`: the peer does not keep up, more waits
   * than the runtime's own buffer is for; `drained` follows, unless the end comes first. Never drops.
   */
  send(batch: Batch): boolean
  ping(): void
  /** Null or missing where the runtime has nothing to publish to. */
  readonly topics?: TopicMember | null
  /** The socket is not read further. Messages of the one read that is being parsed MAY still come. */
  pause(): void
  resume(): void
  /**
   * Begins the closing handshake, behind what was sent; cut when it is not over after `closeTimeout`. Idempotent.
   * Reads on if it was paused, so that the peer's Close is found.
   * @param code one that may stand in a Close
   * @param reason at most 123 bytes of UTF-8
   */
  close(code: number, reason: string): void
  /** Cuts, at once. */
  terminate(): void
}

/** A connection whose runtime sends one message to many by itself. */
export interface TopicMember {
  readonly publisher: Publisher
  /** Gets what is published from now on. Idempotent. */
  subscribe(topic: string): void
  /** Does not get what is published from now on; what was before, it gets. Idempotent. */
  unsubscribe(topic: string): void
  /**
   * Whether the peer has taken what was published before the present turn. `false` is like that of `send`: `drained`
   * follows, unless the end comes first.
   */
  keepsUp(): boolean
}

/** What is published comes behind what was sent before it, and before what is sent after it. Never drops. */
export interface Publisher {
  publish(topic: string, message: Message): void
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
  admit(request: Handshake): Admission | Promise<Admission>
  /** A handshake went wrong, and it was not the client's fault: for the log. */
  failed(error: unknown): void
}
