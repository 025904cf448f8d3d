import type { Socket as BunSocketHandle } from 'bun'
import type { Socket, SocketError, SocketHandler } from './socket.ts'
import { brokenPipe, connectTimedOut, cutOff, socketError } from './socket-error.ts'

/** What Bun hands to its callbacks. */
export type Handle = BunSocketHandle<BunSocket>

// What a socket has been through. One number instead of ten booleans: there is one of these per connection.
const opened = 1
/** Our `end` was called. */
const ending = 2
/** Our FIN is out. */
const finSent = 4
/** The peer's FIN was told to the owner. */
const finSeen = 8
const paused = 16
/** A `write` returned false and `onDrain` has not come yet. */
const drainOwed = 32
/** A write found the connection dead. */
const lost = 64
/** Nothing but `onClose` comes any more. */
const closed = 128
/** The connect has succeeded or failed; accepted sockets are born so. */
const settled = 256

const unwritable = ending | lost | closed

/** Queued chunks smaller than this are sent together: Bun has no gathering write. */
const mergeLimit = 65_536

/** Connects that were given up and have no outcome yet. */
let givenUp = 0

/** Bun cannot cancel a connect: one that was given up has a descriptor until it succeeds or fails, maybe minutes. */
export function givenUpConnects(): number {
  return givenUp
}

interface Remote {
  readonly address: string
  readonly port: number
}

const nowhere: Remote = { address: '', port: 0 }

/**
 * A socket of the port over one of Bun's raw sockets.
 *
 * Bun buffers nothing: `write` says how many bytes the kernel took and the rest is ours to keep. The queue
 * exists only from a short write until the drain that empties it.
 */
export class BunSocket implements Socket {
  handler: SocketHandler
  context: unknown
  queuedBytes = 0
  private state: number
  private handle: Handle | null
  private queue: Uint8Array[] | null = null
  private known: Remote | null = null
  private timer: ReturnType<typeof setTimeout> | null = null

  /** @param handle the accepted socket, or null for one that is still connecting */
  constructor(handle: Handle | null, handler: SocketHandler, context: unknown) {
    this.handle = handle
    this.state = handle === null ? 0 : opened | settled
    this.handler = handler
    this.context = context
  }

  get remoteAddress(): string {
    return this.remote().address
  }

  get remotePort(): number {
    return this.remote().port
  }

  write(chunk: Uint8Array): boolean {
    if ((this.state & unwritable) !== 0) return true
    let rest = chunk
    if (this.queue === null && this.handle !== null) {
      const taken = this.handle.write(chunk)
      if (taken === chunk.length) return true
      if (taken < 0) {
        this.lose()
        return true
      }
      if (taken > 0) rest = chunk.subarray(taken)
    }
    if (rest.length === 0) return this.queue === null
    if (this.queue === null) this.queue = [rest]
    else this.queue.push(rest)
    this.queuedBytes += rest.length
    this.state |= drainOwed
    return false
  }

  end(): void {
    if ((this.state & unwritable) !== 0) return
    this.state |= ending
    if (this.queue === null && this.handle !== null) this.sendFin()
  }

  abort(): void {
    if ((this.state & closed) !== 0) return
    this.finish(null)
    this.handle?.terminate()
  }

  close(): void {
    if ((this.state & closed) !== 0) return
    this.finish(null)
    // Bun's `end` is close(2).
    this.handle?.end()
  }

  pause(): void {
    if ((this.state & paused) !== 0) return
    this.state |= paused
    if ((this.state & (closed | lost)) === 0) this.handle?.pause()
  }

  resume(): void {
    if ((this.state & paused) === 0) return
    this.state &= ~paused
    if ((this.state & closed) === 0) this.handle?.resume()
  }

  // What follows is called by this adapter's own callbacks only; the port's `Socket` does not show it.

  /** Starts the clock of a connect, unless that has failed already. */
  limitConnect(milliseconds: number): void {
    if ((this.state & closed) !== 0) return
    this.timer = setTimeout(expire, milliseconds, this)
  }

  /** The connect succeeded, maybe too late. */
  opened(handle: Handle): void {
    this.handle = handle
    this.state |= settled
    // One that was given up may still open.
    if ((this.state & closed) !== 0) {
      givenUp--
      handle.terminate()
      return
    }
    this.stopTimer()
    this.state |= opened
    if ((this.state & paused) !== 0) handle.pause()
    this.handler.onOpen(this)
    if ((this.state & closed) !== 0) return
    if (this.queue !== null) this.flush()
    else if ((this.state & (ending | finSent)) === ending) this.sendFin()
  }

  /** The connect failed, maybe too late. */
  connectFailed(error: SocketError): void {
    if ((this.state & settled) !== 0) return
    this.state |= settled
    if ((this.state & closed) !== 0) givenUp--
    else this.finish(error)
  }

  received(chunk: Uint8Array): void {
    if ((this.state & closed) === 0) this.handler.onData(this, chunk)
  }

  /** Bun drains without cause too: after open, pause and resume (oven-sh/bun#37099). */
  drained(): void {
    if (this.queue !== null) this.flush()
  }

  peerEnded(): void {
    // After a write that found a reset, reading says "end" as well: that is no FIN, and what came is cut off.
    if ((this.state & (closed | finSeen | lost)) !== 0) return
    this.state |= finSeen
    this.handler.onEnd(this)
    if ((this.state & (finSent | closed)) === finSent) this.handle?.end()
  }

  handleClosed(error: Error | undefined): void {
    if ((this.state & closed) !== 0) return
    if (error !== undefined) {
      this.finish(socketError(error))
      return
    }
    if ((this.state & lost) !== 0) this.finish(brokenPipe)
    else if ((this.state & finSent) === 0) this.finish(cutOff)
    else {
      // After our own FIN Bun tells the peer's by closing only.
      this.peerEnded()
      this.finish(null)
    }
  }

  /** Ends the socket's story: no callback but `onClose` follows, and that one never inside a method. */
  finish(error: SocketError | null): void {
    if ((this.state & closed) !== 0) return
    this.state |= closed
    if ((this.state & settled) === 0) givenUp++
    this.stopTimer()
    this.queue = null
    this.queuedBytes = 0
    queueMicrotask(() => this.handler.onClose(this, error))
  }

  /** Asked of the kernel when first wanted, and kept: after the close it could not be asked. */
  private remote(): Remote {
    if (this.known !== null) return this.known
    const { remoteAddress: address, remotePort: port } = this.handle ?? {}
    if (address === undefined || port === undefined) return nowhere
    this.known = { address: address.startsWith('::ffff:') ? address.slice(7) : address, port }
    return this.known
  }

  private stopTimer(): void {
    if (this.timer === null) return
    clearTimeout(this.timer)
    this.timer = null
  }

  /**
   * A write answered -1. Bun still delivers what had arrived before, and then closes without naming an error.
   * Both wait for reading, so a paused socket has to read on or its owner would never be told.
   */
  private lose(): void {
    this.state |= lost
    this.queue = null
    this.queuedBytes = 0
    if ((this.state & paused) !== 0) this.handle?.resume()
  }

  private sendFin(): void {
    this.state |= finSent
    // Once both sides have finished the descriptor must go; before that, `end` would close the reading side.
    if ((this.state & finSeen) !== 0) this.handle?.end()
    else this.handle?.shutdown()
  }

  private flush(): void {
    const queue = this.queue as Uint8Array[]
    const handle = this.handle as Handle
    let next = 0
    while (next < queue.length) {
      const after = mergeEnd(queue, next)
      const chunk = after === next + 1 ? (queue[next] as Uint8Array) : merge(queue, next, after)
      const taken = handle.write(chunk)
      if (taken < 0) {
        this.lose()
        return
      }
      this.queuedBytes -= taken
      if (taken < chunk.length) {
        queue[after - 1] = taken === 0 ? chunk : chunk.subarray(taken)
        queue.splice(0, after - 1)
        return
      }
      next = after
    }
    this.queue = null
    if ((this.state & ending) !== 0) this.sendFin()
    else if ((this.state & drainOwed) !== 0) {
      this.state &= ~drainOwed
      this.handler.onDrain(this)
    }
  }
}

function expire(socket: BunSocket): void {
  socket.finish(connectTimedOut)
}

/** The end of the run of small chunks that starts at `start`. */
function mergeEnd(queue: readonly Uint8Array[], start: number): number {
  let bytes = (queue[start] as Uint8Array).length
  let end = start + 1
  while (end < queue.length) {
    bytes += (queue[end] as Uint8Array).length
    if (bytes > mergeLimit) break
    end++
  }
  return end
}

function merge(queue: readonly Uint8Array[], start: number, end: number): Uint8Array {
  return Buffer.concat(queue.slice(start, end))
}
