import type { Batch } from '../batch.ts'
import type { Message } from '../message.ts'
import type { Publisher, TopicMember, TransportConnection, TransportOwner } from '../transport.ts'
import type { BunSocket } from './bun-types.ts'

/** Pongs for a peer that pings and never reads would fill memory; beyond so many bytes of them it is cut. */
const mostUnreadPongs = 1024 * 1024

/** The batch that is being written under a cork, for one function instead of a closure for each write. */
let corked: Batch | null = null
let corkedReady = true

/** What connections share. */
export interface BunHost extends Publisher {
  readonly closeTimeout: number
  /** Whether a message is worth it, where compression was agreed on. */
  compresses(message: Message): boolean
}

/** A connection of Bun's server, and the `data` of its socket. */
export class BunConnection implements TransportConnection, TopicMember {
  readonly #owner: TransportOwner
  readonly #host: BunHost
  #socket: BunSocket<BunConnection> | null = null
  /** `send` has said false, and `drained` is owed. */
  #behind = false
  #closing = false
  /** Of pongs since nothing was buffered. */
  #pongBytes = 0
  /** A Close that waits for what was sent before it: Bun gives up a socket at its `close`. */
  #farewell: Farewell | null = null

  constructor(owner: TransportOwner, host: BunHost) {
    this.#owner = owner
    this.#host = host
  }

  get topics(): TopicMember {
    return this
  }

  get publisher(): Publisher {
    return this.#host
  }

  subscribe(topic: string): void {
    if (!this.#closing) this.#socket?.subscribe(topic)
  }

  unsubscribe(topic: string): void {
    this.#socket?.unsubscribe(topic)
  }

  keepsUp(): boolean {
    if (this.queuedBytes === 0) return true
    this.#behind = true
    return false
  }

  get queuedBytes(): number {
    return this.#socket?.getBufferedAmount() ?? 0
  }

  send(batch: Batch): boolean {
    const socket = this.#socket
    if (socket === null || this.#closing) return true
    let ready: boolean
    if (batch.before === null) ready = this.write(socket, batch)
    else {
      corked = batch
      socket.cork(writeCorked)
      corked = null
      ready = corkedReady
    }
    if (!ready) this.#behind = true
    return ready
  }

  ping(): void {
    if (!this.#closing) this.#socket?.ping()
  }

  pause(): void {
    if (!this.#closing) this.#socket?.pause()
  }

  resume(): void {
    this.#socket?.resume()
  }

  close(code: number, reason: string): void {
    const socket = this.#socket
    if (socket === null || this.#closing) return
    this.#closing = true
    socket.resume()
    if (socket.getBufferedAmount() === 0) {
      socket.close(code, reason)
      return
    }
    const timer = setTimeout(() => this.terminate(), this.#host.closeTimeout)
    this.#farewell = { code, reason, timer }
  }

  terminate(): void {
    this.#closing = true
    this.#socket?.terminate()
  }

  /** Writes one or several messages; false when the socket has not taken all. */
  write(socket: BunSocket<BunConnection>, batch: Batch): boolean {
    if (batch.before === null) return this.#writeOne(socket, batch)
    let ready = true
    for (const message of batch.messages()) {
      ready = socket.send(message.data, this.#host.compresses(message)) !== -1
    }
    return ready
  }

  opened(socket: BunSocket<BunConnection>): void {
    this.#socket = socket
    this.#owner.opened(this)
  }

  received(data: string | Uint8Array): void {
    if (!this.#closing) this.#owner.message(data)
  }

  /** It was answered already. What else waits for the peer is no reason to cut it: that has its own limit. */
  pinged(size: number): void {
    const socket = this.#socket
    if (socket === null) return
    if (socket.getBufferedAmount() === 0) this.#pongBytes = 0
    else this.#pongBytes += size + 2
    if (this.#pongBytes > mostUnreadPongs) socket.terminate()
  }

  ponged(): void {
    this.#owner.pong()
  }

  drained(): void {
    const socket = this.#socket
    if (socket?.getBufferedAmount() === 0) this.#pongBytes = 0
    if (this.#farewell !== null && socket !== null) {
      if (socket.getBufferedAmount() > 0) return
      clearTimeout(this.#farewell.timer)
      socket.close(this.#farewell.code, this.#farewell.reason)
      return
    }
    // Bun tells of each part that is taken.
    if (!this.#behind || this.queuedBytes > 0) return
    this.#behind = false
    this.#owner.drained()
  }

  ended(code: number, reason: string): void {
    this.#closing = true
    this.#socket = null
    if (this.#farewell !== null) clearTimeout(this.#farewell.timer)
    // Bun calls this from inside `close` and `terminate`.
    queueMicrotask(() => this.#owner.closed(code === 1006 ? codeOf(reason) : code, reason))
  }

  #writeOne(socket: BunSocket<BunConnection>, { last }: Batch): boolean {
    return socket.send(last.data, this.#host.compresses(last)) !== -1
  }
}

interface Farewell {
  readonly code: number
  readonly reason: string
  readonly timer: ReturnType<typeof setTimeout>
}

function writeCorked(socket: BunSocket<BunConnection>): void {
  corkedReady = socket.data.write(socket, corked as Batch)
}

/** Bun reports 1006 with a reason of its own when it has closed because of a mistake of the peer. */
function codeOf(reason: string): number {
  if (reason === '') return 1006
  if (reason.includes('too big message')) return 1009
  return reason.includes('UTF-8') ? 1007 : 1002
}
