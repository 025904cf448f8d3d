import type { Socket } from 'bun'

/** A client connection on Bun's raw sockets: one object per connection, one set of callbacks for all of them. */
export abstract class Connection {
  #socket: Socket<Connection> | null = null
  #unsent: Uint8Array | null = null
  #closed = false

  protected abstract opened(): void
  /** The chunk is this object's to keep. */
  protected abstract received(chunk: Buffer): void
  /** Last, exactly once, also when the connect failed. */
  protected abstract closed(error: Error | null): void

  /** Sends constant bytes, which must not change until they are gone. One call at a time. */
  protected send(bytes: Uint8Array): void {
    if (this.#unsent !== null) throw new Error('the load generator sent while bytes were waiting')
    const taken = this.#socket!.write(bytes)
    // -1 is a dead socket; its close callback follows.
    if (taken >= 0 && taken < bytes.length) this.#unsent = bytes.subarray(taken)
  }

  /** Ends the connection in order, or cancels it when it is not open yet. */
  end(): void {
    this.#socket?.end()
  }

  /** Ends the connection at once, with a reset. */
  reset(): void {
    this.#socket?.terminate()
  }

  static dial(connection: Connection, port: number): void {
    // A refused connect is reported to `connectError` and rejects the promise as well.
    Bun.connect<Connection>({ hostname: '127.0.0.1', port, data: connection, socket: handlers }).catch(
      () => {},
    )
  }

  static onOpen(socket: Socket<Connection>): void {
    socket.setNoDelay(true)
    socket.data.#socket = socket
    socket.data.opened()
  }

  static onData(socket: Socket<Connection>, chunk: Buffer): void {
    socket.data.received(chunk)
  }

  static onDrain(socket: Socket<Connection>): void {
    const unsent = socket.data.#unsent
    if (unsent === null) return
    socket.data.#unsent = null
    socket.data.send(unsent)
  }

  static onClose(socket: Socket<Connection>, error: Error | null): void {
    if (socket.data.#closed) return
    socket.data.#closed = true
    socket.data.closed(error)
  }
}

const handlers = {
  open: Connection.onOpen,
  data: Connection.onData,
  drain: Connection.onDrain,
  close(socket: Socket<Connection>, error?: Error) {
    Connection.onClose(socket, error ?? null)
  },
  connectError: Connection.onClose,
  // What one of the callbacks threw: the connection failed, with that as the reason.
  error(socket: Socket<Connection>, error: Error) {
    Connection.onClose(socket, error)
    socket.terminate()
  },
}
