import type { Socket, SocketError, SocketHandler, SocketPort } from '../socket.ts'

/**
 * A port around another one for tests of handlers that borrow data: every chunk they get lies in memory that is
 * overwritten as soon as `onData` returns. Whoever keeps a part of it finds it spoilt.
 */
export function lendingPort(port: SocketPort): SocketPort {
  return {
    runtime: port.runtime,
    listen: (target, onConnection) =>
      port.listen(target, (socket) => onConnection(new LendingSocket(socket))),
    connect(target, connectTimeout, handler, context) {
      const lending = new LendingSocket(port.connect(target, connectTimeout, spoiling, null))
      lending.handler = handler
      lending.context = context
      return lending
    },
  }
}

const spoilt = 0xdd

class LendingSocket implements Socket {
  context: unknown = undefined
  #handler: SocketHandler | null = null
  readonly #socket: Socket

  constructor(socket: Socket) {
    this.#socket = socket
    socket.context = this
  }

  get handler(): SocketHandler {
    return this.#handler ?? spoiling
  }

  set handler(handler: SocketHandler) {
    this.#handler = handler
    this.#socket.handler = spoiling
  }

  get queuedBytes(): number {
    return this.#socket.queuedBytes
  }

  get remoteAddress(): string {
    return this.#socket.remoteAddress
  }

  get remotePort(): number {
    return this.#socket.remotePort
  }

  write(chunk: Uint8Array): boolean {
    return this.#socket.write(Buffer.from(chunk))
  }

  end(): void {
    this.#socket.end()
  }

  abort(): void {
    this.#socket.abort()
  }

  close(): void {
    this.#socket.close()
  }

  pause(): void {
    this.#socket.pause()
  }

  resume(): void {
    this.#socket.resume()
  }
}

const spoiling: SocketHandler = {
  onOpen: (socket) => owner(socket).handler.onOpen(owner(socket)),
  onData(socket, chunk) {
    const lending = owner(socket)
    const lent = lending.handler.borrowsData === true
    const copy = new Uint8Array(chunk)
    lending.handler.onData(lending, copy)
    if (lent) copy.fill(spoilt)
  },
  onDrain: (socket) => owner(socket).handler.onDrain(owner(socket)),
  onEnd: (socket) => owner(socket).handler.onEnd(owner(socket)),
  onClose: (socket: Socket, error: SocketError | null) => owner(socket).handler.onClose(owner(socket), error),
}

function owner(socket: Socket): LendingSocket {
  return socket.context as LendingSocket
}
