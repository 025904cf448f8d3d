import type { Socket as Stream } from 'node:net'
import { isLent, writeCopy } from './node-read-buffer.ts'
import type { Socket, SocketError, SocketHandler } from './socket.ts'
import { connectTimedOut, cutOff, socketError } from './socket-error.ts'
import { surface } from './surface.ts'

/** A stream of `node:net` that knows the socket it belongs to, so that one set of listeners serves all. */
export type OwnedStream = Stream & { [owner]: NodeSocket }

const owner = Symbol('owner')

const ending = 1
const finSeen = 2
const paused = 4
/** A `write` returned false and `onDrain` has not come yet. */
const drainOwed = 8
/** Our own `abort` or `close`: what the stream says about its end does not matter. */
const aborted = 16
const closed = 32
/** The peer's FIN came while paused: it is told by `resume`. */
const endOwed = 64

/** A socket of the port over a `net.Socket`, which queues, flushes and half-closes by itself. */
export class NodeSocket implements Socket {
  handler: SocketHandler
  context: unknown
  private readonly stream: OwnedStream
  private state = 0
  private error: SocketError | null = null
  private timer: ReturnType<typeof setTimeout> | null = null

  constructor(stream: Stream, handler: SocketHandler, context: unknown) {
    this.stream = stream as OwnedStream
    this.stream[owner] = this
    this.handler = handler
    this.context = context
    stream.on('end', onEnd).on('error', onError).on('close', onClose)
  }

  get queuedBytes(): number {
    return (this.state & (aborted | closed)) !== 0 ? 0 : this.stream.writableLength
  }

  get remoteAddress(): string {
    const address = this.stream.remoteAddress
    if (address === undefined) return ''
    return address.startsWith('::ffff:') ? address.slice(7) : address
  }

  get remotePort(): number {
    return this.stream.remotePort ?? 0
  }

  write(chunk: Uint8Array): boolean {
    if ((this.state & (ending | aborted | closed)) !== 0) return true
    const stream = this.stream
    if (stream.destroyed) return true
    const room = isLent(chunk) ? writeCopy(stream, chunk) : stream.write(chunk)
    // A full stream may have been emptied by the kernel in this very call.
    if (room || stream.writableLength === 0) return true
    if ((this.state & drainOwed) === 0) {
      this.state |= drainOwed
      if (stream.listenerCount('drain') === 0) stream.on('drain', onDrain)
    }
    return false
  }

  end(): void {
    if ((this.state & (ending | aborted | closed)) !== 0) return
    this.state |= ending
    // Closing sends the FIN as well; with nothing left to send and to read, shutdown(2) would be one call more.
    if ((this.state & finSeen) !== 0 && this.stream.writableLength === 0) this.stream.destroy()
    else this.stream.end()
  }

  abort(): void {
    if ((this.state & (aborted | closed)) !== 0) return
    this.state |= aborted
    this.stopTimer()
    const { stream } = this
    // A reset while shutdown(2) is under way fails in libuv and would leave the descriptor open.
    if (
      stream.writableEnded &&
      !stream.writableFinished &&
      stream.writableLength === 0 &&
      !stream.connecting
    ) {
      stream.once('finish', reset)
    } else reset.call(stream)
  }

  close(): void {
    if ((this.state & (aborted | closed)) !== 0) return
    this.state |= aborted
    this.stopTimer()
    this.stream.destroy()
  }

  pause(): void {
    if ((this.state & paused) !== 0) return
    this.state |= paused
    this.stream.pause()
  }

  resume(): void {
    if ((this.state & paused) === 0) return
    this.state &= ~paused
    this.stream.resume()
    if ((this.state & endOwed) !== 0) queueMicrotask(() => guarded(this.stream, tellEnd))
  }

  // What follows is called by this adapter only; the port's `Socket` does not show it.

  limitConnect(milliseconds: number): void {
    this.timer = setTimeout(expire, milliseconds, this)
  }

  opened(): void {
    if ((this.state & aborted) !== 0) return
    this.stopTimer()
    this.handler.onOpen(this)
  }

  received(chunk: Uint8Array): void {
    if ((this.state & aborted) === 0) this.handler.onData(this, chunk)
  }

  drained(): void {
    if ((this.state & (drainOwed | aborted)) !== drainOwed) return
    this.state &= ~drainOwed
    this.handler.onDrain(this)
  }

  peerEnded(): void {
    if ((this.state & (finSeen | aborted)) !== 0) return
    this.state |= finSeen
    // Node ends a paused stream at once when nothing is buffered.
    if ((this.state & paused) !== 0) this.state |= endOwed
    else this.handler.onEnd(this)
  }

  /** Tells a FIN that came while paused. */
  tellEnd(): void {
    if ((this.state & (endOwed | paused | aborted | closed)) !== endOwed) return
    this.state &= ~endOwed
    this.handler.onEnd(this)
  }

  failed(error: SocketError): void {
    this.error ??= error
  }

  streamClosed(): void {
    if ((this.state & closed) !== 0) return
    this.state &= ~paused
    this.tellEnd()
    this.state |= closed
    this.stopTimer()
    const clean = (this.state & (ending | finSeen)) === (ending | finSeen)
    const error = (this.state & aborted) !== 0 ? this.error : (this.error ?? (clean ? null : cutOff))
    this.handler.onClose(this, error)
  }

  /** The attempt is over: its error is told by `onClose`. */
  expired(): void {
    this.error = connectTimedOut
    this.abort()
  }

  private stopTimer(): void {
    if (this.timer === null) return
    clearTimeout(this.timer)
    this.timer = null
  }
}

function expire(socket: NodeSocket): void {
  socket.expired()
}

function reset(this: Stream): void {
  if (this.connecting) {
    this.destroy()
    return
  }
  try {
    // Only TCP can be reset; a Unix socket throws and is closed.
    this.resetAndDestroy()
  } catch {}
  // Before Node 24 a reset waits until everything is written.
  this.destroy()
}

function tellEnd(socket: NodeSocket): void {
  socket.tellEnd()
}

function guarded(stream: Stream, run: (socket: NodeSocket) => void): void {
  const socket = (stream as OwnedStream)[owner]
  try {
    run(socket)
  } catch (error) {
    socket.abort()
    surface(error)
  }
}

/** The `data` listener of sockets without `onread`. */
export function onData(this: Stream, chunk: Uint8Array): void {
  const socket = (this as OwnedStream)[owner]
  try {
    socket.received(chunk)
  } catch (error) {
    socket.abort()
    surface(error)
  }
}

/** What sockets call for a chunk that lies in the read buffer (`onread`). */
export function onLentData(stream: Stream, chunk: Uint8Array): void {
  const socket = (stream as OwnedStream)[owner]
  try {
    socket.received(socket.handler.borrowsData === true ? chunk : Buffer.from(chunk))
  } catch (error) {
    socket.abort()
    surface(error)
  }
}

function onDrain(this: Stream): void {
  guarded(this, (socket) => socket.drained())
}

function onEnd(this: Stream): void {
  guarded(this, (socket) => socket.peerEnded())
}

function onError(this: Stream, error: Error): void {
  ;(this as OwnedStream)[owner].failed(socketError(error))
}

function onClose(this: Stream): void {
  guarded(this, (socket) => socket.streamClosed())
}

/** The listener for `connect`, which only our own connects have. */
export function onConnect(this: Stream): void {
  guarded(this, (socket) => socket.opened())
}
