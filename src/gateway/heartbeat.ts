import type { Socket } from '../net/socket.ts'
import { encodePingFrame } from '../websocket/frame.ts'
import type { FrameTracker } from '../websocket/frame-tracker.ts'
import { PongFilter, type PongSink, pingPayload, pingSecret } from '../websocket/pong-filter.ts'
import type { HeartbeatRule } from './tunnel-rules.ts'

/** The two ends of a tunnel, and what each has said. */
interface Legs {
  readonly client: Socket
  readonly server: Socket
  readonly fromClient: FrameTracker
  readonly fromBackend: FrameTracker
}

/**
 * The pings of one tunnel (RFC 6455 §5.5.2): said between two frames, their pongs cut out of what is passed on.
 * While no ping waits and no pong is owed, the tunnel copies without it.
 */
export class Heartbeat {
  readonly #legs: Legs
  readonly #misses: number
  readonly #ofClient: Beat | null
  readonly #ofBackend: Beat | null

  constructor(legs: Legs, { misses, to }: HeartbeatRule) {
    const { client, server, fromClient, fromBackend } = legs
    this.#legs = legs
    this.#misses = misses
    this.#ofClient = to === 'backend' ? null : new Beat(client, server, fromBackend, fromClient, false)
    this.#ofBackend = to === 'client' ? null : new Beat(server, client, fromClient, fromBackend, true)
  }

  /** Whether it has to see what comes. */
  get busy(): boolean {
    return this.#ofClient?.busy === true || this.#ofBackend?.busy === true
  }

  /** An interval is over: pings again, or names the peer that is gone. */
  beat(): 'client' | 'backend' | null {
    if (this.#ofClient?.missed(this.#misses)) return 'client'
    if (this.#ofBackend?.missed(this.#misses)) return 'backend'
    this.#ofClient?.ping()
    this.#ofBackend?.ping()
    return null
  }

  clientData(chunk: Uint8Array): void {
    const { client, server, fromClient } = this.#legs
    relay(chunk, client, server, fromClient, this.#ofBackend, this.#ofClient)
  }

  backendData(chunk: Uint8Array): void {
    const { client, server, fromBackend } = this.#legs
    relay(chunk, server, client, fromBackend, this.#ofClient, this.#ofBackend)
  }

  /** What came from the client and was held back, untracked; mostly nothing. */
  releaseClient(): Uint8Array {
    return this.#ofClient?.release() ?? nothing
  }

  /** The same of the backend. */
  releaseBackend(): Uint8Array {
    return this.#ofBackend?.release() ?? nothing
  }
}

/**
 * @param speaker whose ping may wait for the end of the frame that is passed on to it
 * @param listener whose pong may be among what comes
 */
function relay(
  chunk: Uint8Array,
  from: Socket,
  to: Socket,
  tracker: FrameTracker,
  speaker: Beat | null,
  listener: Beat | null,
): void {
  let rest = chunk
  if (speaker?.waiting) {
    const end = tracker.trackFrame(chunk)
    if (end > 0 && !to.write(chunk.subarray(0, end))) from.pause()
    speaker.speak()
    rest = chunk.subarray(end)
  }
  if (rest.length === 0) return
  if (listener?.awaited) {
    listener.listen(rest)
    return
  }
  tracker.track(rest)
  if (!to.write(rest)) from.pause()
}

/** The pings to one peer. */
class Beat implements PongSink {
  /** Whether a ping waits for the end of a frame. */
  waiting = false
  /** Whether a pong is owed. */
  awaited = false
  readonly #peer: Socket
  readonly #other: Socket
  readonly #told: FrameTracker
  readonly #heard: FrameTracker
  readonly #masked: boolean
  readonly #secret = pingSecret()
  readonly #filter: PongFilter
  #number = 0
  #missed = 0
  #heardBefore = -1
  #queuedBefore = -1

  /**
   * @param told follows what the peer is told
   * @param heard follows what it says
   * @param masked whether what it is told is masked, and so what it says is not
   */
  constructor(peer: Socket, other: Socket, told: FrameTracker, heard: FrameTracker, masked: boolean) {
    this.#peer = peer
    this.#other = other
    this.#told = told
    this.#heard = heard
    this.#masked = masked
    this.#filter = new PongFilter(heard, !masked, this.#secret)
  }

  get busy(): boolean {
    return this.waiting || this.awaited
  }

  /** After an interval: whether that was the last one without a sign of life. */
  missed(limit: number): boolean {
    const heard = this.#heard.bytes
    const queued = this.#peer.queuedBytes
    // A ping that cannot be said because the peer takes nothing was not answered either.
    const asked = this.awaited || (this.waiting && queued > 0)
    // Some peers never answer pings (RFC 6455 §5.5.2 demands it), but who talks, or takes what it is sent, lives.
    const alive = heard !== this.#heardBefore || queued !== this.#queuedBefore
    // While we do not read because the other side takes too little, silence is our own doing.
    const unread = this.#other.queuedBytes > 0 && queued === 0
    this.#heardBefore = heard
    this.#queuedBefore = queued
    if (!asked || alive || this.#over) this.#missed = 0
    else if (!unread) this.#missed++
    return this.#missed >= limit
  }

  ping(): void {
    // Behind a Close nothing more may be said, nor is an answer owed (RFC 6455 §5.5.1, §5.5.2).
    if (this.#over) return
    this.#number++
    this.waiting = true
    this.speak()
  }

  /** Says the ping that waits, if it may be said now. */
  speak(): void {
    if (this.#over) this.waiting = false
    if (!this.waiting || !this.#told.atFrameBoundary) return
    this.waiting = false
    this.awaited = true
    const key = this.#masked ? crypto.getRandomValues(new Uint8Array(4)) : undefined
    this.#peer.write(encodePingFrame(pingPayload(this.#secret, this.#number), key))
  }

  listen(chunk: Uint8Array): void {
    this.#filter.filter(chunk, this)
  }

  release(): Uint8Array {
    return this.#filter.release()
  }

  pass(bytes: Uint8Array): void {
    if (!this.#other.write(bytes)) this.#peer.pause()
  }

  answered(number: number): void {
    // Of several pings that were out, a peer may answer the last alone, or all (RFC 6455 §5.5.3).
    this.awaited = number !== (this.#number & 0xffff)
    this.#missed = 0
  }

  get #over(): boolean {
    const { closeCode, broken } = this.#told
    return closeCode !== 0 || broken !== null || this.#heard.closeCode !== 0 || this.#heard.broken !== null
  }
}

const nothing = new Uint8Array(0)
