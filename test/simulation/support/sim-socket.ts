import type { Socket, SocketError, SocketErrorCode, SocketHandler } from '../../../src/net/socket.ts'
import { unclaimed } from '../../../src/net/unclaimed.ts'
import type { Chance } from './chance.ts'
import type { Pipe } from './pipe.ts'
import type { Task, World } from './world.ts'

/** How one socket and its kernel behave, within what the port allows. */
export interface Manners {
  /** Whether the kernel takes at once all it can. */
  readonly eager: boolean
  /** Queued bytes above which `write` says false; at most 128 KiB. */
  readonly highWater: number
  /** Bytes of one read at most. */
  readonly mostRead: number
  /** How often a read brings a few bytes only. */
  readonly dribble: number
}

type Step = 'open' | 'close' | 'flush' | 'data' | 'end' | 'reset'

const spoilt = 0xdd

/** A socket of the port (`src/net/socket.ts`) without a kernel: what happens to it next is drawn. */
export class SimSocket implements Socket, Task {
  handler: SocketHandler
  context: unknown
  ready = false
  /** For traces. */
  name = ''
  remoteAddress = ''
  remotePort = 0
  /** What it sends, and what it is sent. Null while it connects. */
  outgoing: Pipe | null = null
  incoming: Pipe | null = null
  /** Who is at the other end. */
  peer: SimSocket | null = null
  state: 'connecting' | 'open' | 'closed' = 'connecting'
  paused = false
  /** `end` was called. */
  ended = false
  /** `abort` or `close` was called. */
  gaveUp: 'abort' | 'close' | null = null
  /** What it was told at the end; undefined before. */
  error: SocketError | null | undefined
  /** The peer's FIN was told. */
  finTold = false
  /** When. */
  finToldAt = 0
  /** Most bytes that were ever queued. */
  mostQueued = 0
  /** Called when it has been told of its end. */
  onGone: (socket: SimSocket) => void = () => {}
  /** Called when `abort` or `close` is called for the first time. */
  onGivenUp: (socket: SimSocket) => void = () => {}
  /** The connection is there, but was not told yet. */
  established = false
  readonly #world: World
  readonly #chance: Chance
  readonly manners: Manners
  readonly #queue: Uint8Array[] = []
  #queuedBytes = 0
  #drainOwed = false
  /** What broke it, to be told. */
  #failure: SocketError | null = null
  /** A reset that came while paused, which is told by resume or a write only. */
  #hidden: boolean | null = null

  constructor(world: World, manners: Manners, handler: SocketHandler, context: unknown) {
    this.#world = world
    this.#chance = world.chance
    this.manners = manners
    this.handler = handler
    this.context = context
  }

  get queuedBytes(): number {
    return this.#over ? 0 : this.#queuedBytes
  }

  /** Whether everything that was written has left, and the FIN with it. */
  get finSent(): boolean {
    return this.outgoing?.fin === true
  }

  /** Whether the other end could still be told something: it is no use to wait for it when not. */
  get unread(): number {
    return this.incoming?.bytes ?? 0
  }

  write(chunk: Uint8Array): boolean {
    this.#world.trace?.(
      () => `${this.name}   .write ${chunk.length}: ${Buffer.from(chunk).toString('latin1').slice(0, 60)}`,
    )
    if (this.ended || this.#over || chunk.length === 0) return true
    if (this.#failure !== null) return true
    if (this.incoming?.reset && this.#chance.is(0.5)) {
      this.#fail(this.#chance.pick(['reset', 'pipe']))
      return true
    }
    // Lent memory is read again before the kernel has it; all else belongs to us now.
    this.#queue.push(isLent(chunk) ? chunk.slice() : chunk)
    this.#queuedBytes += chunk.length
    if (this.state === 'open' && (this.manners.eager || this.#chance.is(0.7))) this.#moveToKernel()
    if (this.#queuedBytes > this.mostQueued) this.mostQueued = this.#queuedBytes
    this.touch()
    if (this.#queuedBytes === 0 || this.#queuedBytes <= this.manners.highWater) return true
    this.#drainOwed = true
    return false
  }

  end(): void {
    this.#world.trace?.(() => `${this.name}   .end`)
    if (this.ended || this.#over) return
    this.ended = true
    this.#drainOwed = false
    this.touch()
  }

  abort(): void {
    this.#world.trace?.(() => `${this.name}   .abort`)
    if (this.#over) return
    this.gaveUp = 'abort'
    const { outgoing: out } = this
    if (out !== null) {
      // What was on its way may be lost, from some byte on.
      if (this.#chance.is(0.5)) out.truncate(this.#chance.int(0, out.bytes))
      out.reset = true
    }
    this.#letGo()
  }

  close(): void {
    this.#world.trace?.(() => `${this.name}   .close`)
    if (this.#over) return
    this.gaveUp = 'close'
    const { outgoing: out } = this
    if (out !== null) {
      out.fin = true
      // The kernel answers bytes that nobody read with a reset, which may overtake what was on its way.
      if (this.unread > 0) out.reset = true
    }
    this.#letGo()
  }

  pause(): void {
    this.#world.trace?.(() => `${this.name}   .pause`)
    this.paused = true
  }

  resume(): void {
    this.#world.trace?.(() => `${this.name}   .resume`)
    if (!this.paused) return
    this.paused = false
    this.#hidden = false
    this.touch()
  }

  // What follows is called by the simulation only; the port's `Socket` does not show it.

  /** Something has changed: it, and who is at the other end, may have something to do. */
  touch(): void {
    if (this.state !== 'closed' && this.#steps().length > 0) this.#world.wake(this)
    const { peer } = this
    if (peer !== null && peer.state !== 'closed' && peer.#steps().length > 0) this.#world.wake(peer)
  }

  /** The connect or the connection has failed. */
  fail(code: SocketErrorCode): void {
    if (!this.#over && this.#failure === null) this.#fail(code)
  }

  run(): void {
    const steps = this.#steps()
    if (steps.length === 0) return
    const step = this.#chance.pick(steps)
    this.#world.trace?.(() => `${this.name} ${step}`)
    switch (step) {
      case 'open':
        this.state = 'open'
        this.#told(() => this.handler.onOpen(this))
        break
      case 'close':
        this.#close(this.gaveUp === null ? this.#failure : null)
        break
      case 'flush':
        this.#flush()
        break
      case 'data':
        this.#read()
        break
      case 'end':
        this.finTold = true
        this.finToldAt = this.#world.now
        this.#told(() => this.handler.onEnd(this))
        break
      case 'reset':
        this.#reset()
        break
    }
    this.touch()
  }

  get #over(): boolean {
    return this.state === 'closed' || this.gaveUp !== null
  }

  /** Everything that may happen to it next. */
  #steps(): Step[] {
    if (this.state === 'closed') return []
    if (this.gaveUp !== null || this.#failure !== null) return ['close']
    if (this.state === 'connecting') return this.established ? ['open'] : []
    const steps: Step[] = []
    const incoming = this.incoming as Pipe
    const outgoing = this.outgoing as Pipe
    // A write that filled the queue may be followed by one in which the kernel took all: the drain is owed still.
    const idle = this.#drainOwed || (this.ended && !outgoing.fin)
    if (this.#queuedBytes > 0 ? outgoing.room > 0 : idle) steps.push('flush')
    if (incoming.cut) return steps
    if (!this.paused && incoming.bytes > 0) steps.push('data')
    if (incoming.reset) {
      if (this.paused) this.#hidden ??= this.#chance.is(0.5)
      if (!(this.paused && this.#hidden)) steps.push('reset')
      return steps
    }
    if (!this.paused && incoming.bytes === 0 && incoming.fin && !this.finTold) steps.push('end')
    if (this.finTold && outgoing.fin) return ['close']
    return steps
  }

  #fail(code: SocketErrorCode): void {
    this.#failure = { code, raw: code.toUpperCase(), message: `the simulation says ${code}` }
    this.touch()
  }

  #letGo(): void {
    this.#queue.length = 0
    this.#queuedBytes = 0
    this.#drainOwed = false
    if (this.incoming !== null) this.incoming.readerGone = true
    this.onGivenUp(this)
    this.touch()
  }

  #flush(): void {
    if (this.incoming?.reset) {
      this.#fail(this.#chance.pick(['reset', 'pipe']))
      return
    }
    this.#moveToKernel()
    if (this.#queuedBytes > 0) return
    if (this.ended) (this.outgoing as Pipe).fin = true
    if (!this.#drainOwed) return
    this.#drainOwed = false
    this.#told(() => this.handler.onDrain(this))
  }

  /** The kernel takes a part of the queue, or all of it. */
  #moveToKernel(): void {
    const out = this.outgoing as Pipe
    const most = Math.min(out.room, this.#queuedBytes)
    let left =
      this.manners.eager || this.#chance.is(0.5)
        ? most
        : Math.min(most, this.#chance.int(1, Math.max(1, most)))
    while (left > 0) {
      const first = this.#queue[0] as Uint8Array
      const part = first.length <= left ? first : first.subarray(0, left)
      if (part === first) this.#queue.shift()
      else this.#queue[0] = first.subarray(left)
      left -= part.length
      this.#queuedBytes -= part.length
      out.put(part)
    }
    // RFC 9293 §3.10.7.1: to a connection that does not exist any more.
    if (out.readerGone && out.bytes > 0) {
      out.truncate(0)
      if (this.incoming !== null) this.incoming.reset = true
    }
  }

  #read(): void {
    const incoming = this.incoming as Pipe
    const { mostRead, dribble } = this.manners
    const most = Math.min(incoming.bytes, mostRead)
    const few = this.#chance.is(dribble)
    const size = few
      ? Math.min(most, this.#chance.int(1, 5))
      : this.#chance.is(0.7)
        ? most
        : this.#chance.int(1, most)
    this.#deliver(incoming.take(size))
  }

  #deliver(chunk: Uint8Array): void {
    this.#world.trace?.(
      () => `${this.name}   got ${chunk.length}: ${Buffer.from(chunk).toString('latin1').slice(0, 60)}`,
    )
    if (this.handler.borrowsData !== true) {
      this.#told(() => this.handler.onData(this, chunk))
      return
    }
    const before = lent
    lent = chunk.buffer
    try {
      this.#told(() => this.handler.onData(this, chunk))
    } finally {
      lent = before
      chunk.fill(spoilt)
    }
  }

  /** The peer's reset: what had come before is still told, or not. */
  #reset(): void {
    const incoming = this.incoming as Pipe
    if (incoming.bytes > 0 && this.#chance.is(0.4)) {
      // As Bun does, also to a paused socket.
      this.#deliver(incoming.take(incoming.bytes))
      if (this.#over) return
    }
    this.#close({ code: 'reset', raw: 'ECONNRESET', message: 'the simulation says reset' })
  }

  #close(error: SocketError | null): void {
    this.state = 'closed'
    this.error = error
    this.#queue.length = 0
    this.#queuedBytes = 0
    if (this.incoming !== null) this.incoming.readerGone = true
    // Somebody who is gone without a word is found out by the next bytes; most often the kernel says so.
    if (error !== null && this.outgoing !== null && !this.outgoing.fin) this.outgoing.reset = true
    this.touch()
    this.#told(() => this.handler.onClose(this, error))
    this.onGone(this)
  }

  /** What a callback throws resets the socket. */
  #told(callback: () => void): void {
    try {
      callback()
    } catch (error) {
      this.abort()
      throw error
    }
  }

  /** An accepted socket that nobody has claimed. */
  get unclaimed(): boolean {
    return this.handler === unclaimed
  }
}

/** The memory that is lent at this moment. */
let lent: ArrayBufferLike | null = null

function isLent(chunk: Uint8Array): boolean {
  return chunk.buffer === lent
}
