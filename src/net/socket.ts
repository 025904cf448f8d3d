/**
 * The socket port: byte streams over TCP and Unix sockets, as the gateway needs them. Two adapters implement
 * it (`bun-sockets.ts`, `node-sockets.ts`) and one contract suite (`socket-contract.ts`) holds both to every
 * sentence below.
 */

/**
 * One connected (or connecting) byte stream.
 *
 * `write`, `end`, `pause` and `resume` may be called before the connection is open (they take effect once it
 * is) and after it is closed (they do nothing).
 */
export interface Socket {
  /** Who is told what happens. May be replaced at any time, also inside a callback. */
  handler: SocketHandler
  /** The owner's state. The adapters never read it. */
  context: unknown
  /** Bytes taken by `write` that the kernel has not taken yet. */
  readonly queuedBytes: number
  /**
   * The peer's IP address without brackets or zone, an IPv4 address always in IPv4 notation; `''` on Unix
   * sockets and before the socket is open. Asked of the kernel when first read: after the close it is known
   * only if it was read before.
   */
  readonly remoteAddress: string
  /** The peer's port; 0 on Unix sockets and before the socket is open. After the close as the address. */
  readonly remotePort: number
  /**
   * Sends bytes, in order, all of them. Takes ownership: the caller MUST NOT change the chunk afterwards.
   * Never throws and never takes a part. `false` means: the queue is not empty, stop until `onDrain`, which
   * then comes exactly once, unless `end`, `abort` or the close come first. `true` does not promise an empty
   * queue: an adapter may queue up to 128 KiB before it says `false`.
   * After `end`, `abort` or close, and when this very write finds the connection dead, the chunk is dropped
   * and the answer is `true`. A loop that writes while the answer is `true` needs an end of its own.
   */
  write(chunk: Uint8Array): boolean
  /** Sends what is queued, then FIN. Reading goes on until the peer's FIN. Idempotent. */
  end(): void
  /** Drops the queue and resets the connection; cancels a pending connect. Idempotent. */
  abort(): void
  /**
   * Gives the socket up without a reset: nothing is read any more and the queue is dropped, but what the kernel
   * has taken is still delivered. After `end`, with nothing queued, the peer sees all of it and the FIN, however
   * slowly it reads; bytes that it sends meanwhile are answered with a reset. Idempotent.
   */
  close(): void
  /**
   * No `onData` and no `onEnd` until `resume`, with one exception: when the peer has reset the connection,
   * Bun may still deliver what had arrived before, directly followed by `onClose`. A reset is told at once or,
   * at the latest, by `resume` or by the write that finds it.
   */
  pause(): void
  /** Undoes `pause`. */
  resume(): void
}

/** What happens on a socket. One static object per role: the socket is passed in, so nobody needs a closure. */
export interface SocketHandler {
  /** A `connect` succeeded. Never called for accepted sockets: they are open when they are handed over. */
  onOpen(socket: Socket): void
  /** Bytes from the peer, 1 byte or more. The chunk is the receiver's to keep, unless `borrowsData`. */
  onData(socket: Socket, chunk: Uint8Array): void
  /**
   * True promises that `onData` keeps nothing of a chunk after it returns, but for what it gave to `write` of a
   * socket of this port. The adapter may then read the next chunk, of whomever, into the same memory, which
   * saves Node an allocation for each read. A broken promise would show one peer's bytes to another, so the
   * tests of every borrowing handler run over `contract/lending-port.ts`, where it shows at once.
   * @default false
   */
  readonly borrowsData?: boolean
  /** The queue is empty again after a `write` that returned `false`; once per such period. */
  onDrain(socket: Socket): void
  /**
   * The peer's FIN, after all its data, at most once. Writing is still possible, and the socket stays open
   * until `end` or `abort` is called (a Unix socket whose peer closed both ways may close by itself).
   */
  onEnd(socket: Socket): void
  /**
   * The end: exactly once, last, and never from inside a method of the socket. `error` is null when both
   * sides sent FIN and the kernel took every byte, and after our own `abort` or `close`. A reset, a failed write, a
   * failed connect and a queue that could not be sent are errors.
   *
   * What any of these callbacks throws is an uncaught exception of the process, and resets the socket.
   */
  onClose(socket: Socket, error: SocketError | null): void
}

export type SocketErrorCode =
  /** Nobody listens there (ECONNREFUSED), or the Unix socket path does not exist. */
  | 'refused'
  /** The peer reset the connection. */
  | 'reset'
  /** Not connected within `connectTimeout`, or the kernel gave up on a peer that acknowledges nothing. */
  | 'timeout'
  /** No route, or the network or host is down. */
  | 'unreachable'
  /** We wrote to a connection the peer had already closed. */
  | 'pipe'
  /** No descriptors or ports left on this machine (EMFILE, ENFILE, EADDRNOTAVAIL). */
  | 'exhausted'
  | 'other'

export interface SocketError {
  readonly code: SocketErrorCode
  /** The runtime's own code, such as `ECONNREFUSED`. */
  readonly raw: string
  /** One sentence without stack trace. */
  readonly message: string
}

/** Where to connect. Addresses only: names are resolved above this layer. */
export type ConnectTarget =
  | { /** IPv4, or IPv6 without brackets. */ readonly ip: string; readonly port: number }
  | { /** Path of a Unix socket. */ readonly path: string }

export type ListenTarget =
  | {
      /** IP address to bind; without it all addresses, IPv6 and IPv4. */
      readonly host?: string | undefined
      /** 0 picks a free port. */
      readonly port: number
    }
  | {
      /** Path of a Unix socket. A leftover file that nobody listens on is replaced. */ readonly path: string
    }
  | { /** An already listening descriptor, as in systemd socket activation. */ readonly fd: number }

export interface Listener {
  /** The bound port; 0 for Unix sockets and descriptors. */
  readonly port: number
  /** Stops accepting. Live connections stay. Idempotent. */
  close(): Promise<void>
}

export interface SocketPort {
  readonly runtime: 'bun' | 'node'
  /** Frees the memory that closed sockets left. Blocks meanwhile; absent where the runtime does it by itself. */
  readonly collectGarbage?: () => void
  /**
   * Connects of which `onClose` was told, and which still have a descriptor. Absent where that cannot be: those that
   * were given up are cancelled.
   */
  readonly givenUpConnects?: () => number
  /**
   * Opens a listener. `onConnection` gets each accepted socket, open, and MUST set its `handler` before it
   * returns. TCP_NODELAY is set. The backlog is 4096 (bounded by the kernel's `somaxconn`).
   * Rejects with an Error carrying `code` (`EADDRINUSE`, `EACCES`, ...).
   */
  listen(target: ListenTarget, onConnection: (socket: Socket) => void): Promise<Listener>
  /**
   * Starts to connect and returns at once. The result is told by `onOpen` or `onClose`, never before
   * `connect` returned. TCP_NODELAY is set.
   * @param connectTimeout milliseconds until the attempt ends with a `timeout` error
   */
  connect(target: ConnectTarget, connectTimeout: number, handler: SocketHandler, context: unknown): Socket
}
