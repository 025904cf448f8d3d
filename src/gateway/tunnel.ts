import { Timer } from '../core/timer-wheel.ts'
import type { Socket, SocketError, SocketHandler } from '../net/socket.ts'
import { type CloseCode, closeCodes } from '../protocol/close-codes.ts'
import { encodeCloseFrame } from '../websocket/frame.ts'
import { FrameTracker } from '../websocket/frame-tracker.ts'
import type { Backend } from './backend.ts'
import type { GatewayEmitter, TunnelEnd } from './events.ts'
import { Heartbeat } from './heartbeat.ts'
import type { IdleCollector } from './idle-collector.ts'
import type { Log } from './log.ts'
import type { Timers } from './timers.ts'
import type { TunnelRules } from './tunnel-rules.ts'
import { needsWatch, TunnelWatch } from './tunnel-watch.ts'

/** What a tunnel needs of its gateway. */
export interface TunnelHost {
  readonly timers: Timers
  readonly log: Log
  /** The present one; how a tunnel behaves was decided when it was opened. */
  readonly snapshot: { readonly accessLog: boolean }
  /** Live tunnels. */
  readonly tunnels: Set<Tunnel>
  readonly collector: IdleCollector
  /** Is told how each tunnel ended. */
  readonly health: { tunnelEnded(tunnel: Tunnel, outcome: TunnelOutcome): void }
  readonly events: GatewayEmitter
  /** A backend closed a tunnel because it restarts. */
  restarting(backend: Backend): void
}

/** The right to the connection, which the tunnel has from its upgrade. */
interface FreeableSeat {
  free(): void
}

/** How a tunnel ended, as far as it tells about the health of its backend. */
export interface TunnelOutcome {
  readonly by: TunnelEnd['endedBy']
  /** Whether anybody said goodbye with a Close frame. */
  readonly closed: boolean
  /** Milliseconds it lived. */
  readonly age: number
}

/**
 * An upgraded connection: a client leg and a backend leg, each copying what comes to the other.
 *
 * The hot path of the whole gateway (guarded by `npm run bench -- --work ws64,ws64k`): a chunk goes from
 * `onData` of one leg to `write` of the other untouched; the trackers look at frame headers only.
 */
export class Tunnel {
  readonly client: Socket
  readonly server: Socket
  readonly backend: Backend
  readonly requestId: string
  readonly openedAt: number
  readonly fromClient: FrameTracker
  readonly fromBackend: FrameTracker
  readonly #host: TunnelHost
  /** Freed once, when both legs are gone. */
  readonly #seat: FreeableSeat
  readonly #rules: TunnelRules
  readonly #heartbeat: Heartbeat | null
  readonly #watch: TunnelWatch | null
  /** Whether what comes cannot just be copied: the gateway says something itself, or waits for an answer. */
  #careful = false
  #endedBy: TunnelEnd['endedBy'] | null = null
  #error: SocketError | null = null
  #timer: Timer<Tunnel> | null = null
  /** When `#timer` fires. */
  #deadline = Number.POSITIVE_INFINITY
  /** Whether `end` of the leg was called. */
  #clientEnded = false
  #serverEnded = false
  #clientClosed = false
  #serverClosed = false
  /** The Close that the gateway itself wants to say, as soon as each leg is between two frames. */
  #goodbye: CloseCode | null = null
  #goodbyeToClient = false
  #goodbyeToServer = false

  /** Takes over both sockets; `deflate` tells whether an extension may set the reserved bits of frames. */
  constructor(
    host: TunnelHost,
    client: Socket,
    server: Socket,
    backend: Backend,
    requestId: string,
    deflate: boolean,
    rules: TunnelRules,
    seat: FreeableSeat,
  ) {
    this.#host = host
    this.client = client
    this.server = server
    this.backend = backend
    this.requestId = requestId
    this.openedAt = host.timers.now()
    this.fromClient = new FrameTracker(true, deflate)
    this.fromBackend = new FrameTracker(false, deflate)
    this.#rules = rules
    this.#seat = seat
    this.#heartbeat = rules.heartbeat === null ? null : new Heartbeat(this, rules.heartbeat)
    this.#watch = needsWatch(rules) ? new TunnelWatch(host.timers, this, rules) : null
    client.context = this
    server.context = this
    client.handler = clientLeg
    server.handler = backendLeg
    backend.tunnelOpened()
    host.tunnels.add(this)
    host.collector.count()
  }

  /** A number that changes with each data frame, and with each byte of a message that is on its way. */
  get activity(): number {
    return activityOf(this.fromClient) + activityOf(this.fromBackend)
  }

  /** Whether it is about to end: it said goodbye, or one of its legs is gone. */
  get leaving(): boolean {
    return this.#goodbye !== null || this.#clientClosed || this.#serverClosed
  }

  /**
   * Says goodbye on both legs: a Close frame as soon as the leg is between two frames, then the closing
   * handshake (RFC 6455 §7.1). Whatever is left after `milliseconds` is cut.
   */
  close(code: CloseCode, milliseconds: number): void {
    if (this.leaving) return
    this.#goodbye = code
    this.#careful = true
    this.#watch?.stop()
    this.#endedBy ??= 'gateway'
    this.#setDeadline(milliseconds)
    this.#sayGoodbye()
    // What was held back stands between two frames, so the goodbye was said before it: nobody gets it any more.
    if (this.#heartbeat === null) return
    this.fromClient.track(this.#heartbeat.releaseClient())
    this.fromBackend.track(this.#heartbeat.releaseBackend())
  }

  /** An interval of the heartbeat is over. */
  beat(): void {
    const heartbeat = this.#heartbeat
    if (heartbeat === null || this.leaving) return
    const gone = heartbeat.beat()
    if (gone === null) {
      this.#careful = heartbeat.busy
      return
    }
    this.close(closeCodes.unanswered, this.#rules.halfClosed)
    if (gone === 'client') this.client.abort()
    else this.server.abort()
  }

  /** Cuts both legs now. */
  abort(): void {
    this.#endedBy ??= 'gateway'
    this.client.abort()
    this.server.abort()
  }

  /** Time is up: nothing more is passed on. */
  expired(): void {
    this.#endedBy ??= 'gateway'
    letGo(this.client, this.#clientEnded)
    letGo(this.server, this.#serverEnded)
  }

  clientData(chunk: Uint8Array): void {
    if (this.#careful) {
      this.#clientDataCarefully(chunk)
      return
    }
    const tracker = this.fromClient
    tracker.track(chunk)
    if (tracker.closeCode !== 0) this.#closeSaid('client')
    if (!this.server.write(chunk)) this.client.pause()
  }

  backendData(chunk: Uint8Array): void {
    if (this.#careful) {
      this.#backendDataCarefully(chunk)
      return
    }
    this.backendSaid(chunk)
    if (!this.client.write(chunk)) this.server.pause()
  }

  /** Follows what the backend says without passing it on. */
  backendSaid(chunk: Uint8Array): void {
    const tracker = this.fromBackend
    tracker.track(chunk)
    if (tracker.closeCode !== 0) this.#closeSaid('backend')
  }

  clientEnd(): void {
    this.#endedBy ??= 'client'
    const held = this.#heartbeat?.releaseClient()
    if (held?.length) this.server.write(held)
    this.#endServer()
    if (this.#closingHandshakeDone()) this.#endClient()
    this.#halfClosed()
  }

  backendEnd(): void {
    this.#endedBy ??= 'backend'
    const held = this.#heartbeat?.releaseBackend()
    if (held?.length) this.client.write(held)
    this.#endClient()
    if (this.#closingHandshakeDone()) this.#endServer()
    this.#halfClosed()
  }

  clientClose(error: SocketError | null): void {
    this.#clientClosed = true
    this.#error ??= error
    this.#endedBy ??= 'client'
    // A client that vanished takes nothing any more: reading its backend on would be work for nobody. After
    // two FINs the backend has its own already, behind the last bytes of the client: a reset would race them.
    if (error !== null) this.server.abort()
    this.#finish()
  }

  backendClose(error: SocketError | null): void {
    this.#serverClosed = true
    this.#error ??= error
    this.#endedBy ??= 'backend'
    // What the backend managed to say before it died is still delivered, within the half-closed deadline.
    if (!this.#clientClosed) {
      this.#endClient()
      this.client.resume()
      this.#halfClosed()
    }
    this.#finish()
  }

  #clientDataCarefully(chunk: Uint8Array): void {
    if (this.#goodbye !== null) {
      this.#dataWhileLeaving(chunk, this.client, this.server, this.fromClient, this.#goodbyeToServer)
      return
    }
    const heartbeat = this.#heartbeat as Heartbeat
    heartbeat.clientData(chunk)
    this.#careful = heartbeat.busy
    if (this.fromClient.closeCode !== 0) this.#closeSaid('client')
  }

  #backendDataCarefully(chunk: Uint8Array): void {
    if (this.#goodbye !== null) {
      this.#dataWhileLeaving(chunk, this.server, this.client, this.fromBackend, this.#goodbyeToClient)
      return
    }
    const heartbeat = this.#heartbeat as Heartbeat
    heartbeat.backendData(chunk)
    this.#careful = heartbeat.busy
    if (this.fromBackend.closeCode !== 0) this.#closeSaid('backend')
  }

  /** Somebody has to end TCP after both Closes; when nobody does, the tunnel must not stay for ever. */
  #closeSaid(by: 'client' | 'backend'): void {
    if (this.#endedBy === null) {
      this.#endedBy = by
      // Only the first Close tells something: an answer repeats the code it was sent.
      const restarts = by === 'backend' && this.fromBackend.closeCode === closeCodes.restart.code
      if (restarts && this.#rules.drainOnRestart) this.#host.restarting(this.backend)
    }
    if (this.#closingHandshakeDone()) this.#halfClosed()
  }

  #endClient(): void {
    this.#clientEnded = true
    this.client.end()
  }

  #endServer(): void {
    this.#serverEnded = true
    this.server.end()
  }

  /** After a Close in both directions nothing more may be said (RFC 6455 §5.5.1). */
  #closingHandshakeDone(): boolean {
    return this.fromClient.closeSeen && this.fromBackend.closeSeen
  }

  #halfClosed(): void {
    this.#setDeadline(this.#rules.halfClosed)
  }

  /** The earliest deadline counts. */
  #setDeadline(milliseconds: number): void {
    const { timers } = this.#host
    const at = timers.now() + milliseconds
    if (at >= this.#deadline) return
    this.#deadline = at
    this.#timer ??= new Timer<Tunnel>(this, onDeadline)
    timers.schedule(this.#timer, milliseconds)
  }

  /** Passes on the rest of the frame at hand, behind which the goodbye goes; what follows is thrown away. */
  #dataWhileLeaving(chunk: Uint8Array, from: Socket, to: Socket, tracker: FrameTracker, said: boolean): void {
    if (said) {
      tracker.track(chunk)
    } else {
      const end = tracker.trackFrame(chunk)
      if (!to.write(end === chunk.length ? chunk : chunk.subarray(0, end))) from.pause()
      this.#sayGoodbye()
      if (end < chunk.length) tracker.track(chunk.subarray(end))
    }
    this.#sayGoodbye()
  }

  #sayGoodbye(): void {
    const { code, reason } = this.#goodbye as CloseCode
    // Behind a Close nothing more may be said, not even another one (RFC 6455 §5.5.1). Once it is said, the
    // other side's answer is waited for, also if it was paused because this one took too little.
    if (!this.#goodbyeToClient && this.fromBackend.atFrameBoundary) {
      this.#goodbyeToClient = true
      if (!this.fromBackend.closeSeen) this.client.write(encodeCloseFrame(code, reason))
      this.server.resume()
    }
    if (!this.#goodbyeToServer && this.fromClient.atFrameBoundary) {
      this.#goodbyeToServer = true
      if (!this.fromClient.closeSeen) this.server.write(encodeCloseFrame(code, reason, maskKey()))
      this.client.resume()
    }
    // We are the server of the client leg: after both Close frames it is ours to end TCP (RFC 6455 §7.1.1).
    if (this.#goodbyeToClient && this.fromClient.closeSeen) this.#endClient()
    if (this.#goodbyeToServer && this.fromBackend.closeSeen) this.#endServer()
  }

  #finish(): void {
    if (!this.#clientClosed || !this.#serverClosed) return
    const host = this.#host
    if (this.#timer !== null) host.timers.cancel(this.#timer)
    this.#watch?.stop()
    if (!host.tunnels.delete(this)) return
    host.collector.count()
    const { backend, fromClient, fromBackend } = this
    backend.tunnelClosed()
    this.#seat.free()
    backend.ended.messagesFromClients += fromClient.messages
    backend.ended.messagesFromBackends += fromBackend.messages
    backend.ended.bytesFromClients += fromClient.bytes
    backend.ended.bytesFromBackends += fromBackend.bytes
    host.health.tunnelEnded(this, {
      by: this.#endedBy ?? 'gateway',
      closed: fromClient.closeCode !== 0 || fromBackend.closeCode !== 0,
      age: host.timers.now() - this.openedAt,
    })
    if (host.snapshot.accessLog)
      host.log.info({ event: 'tunnel.closed', ...this.#summary() }, 'tunnel closed')
    if (host.events.listens('tunnel.closed')) host.events.emit('tunnel.closed', this.#summary())
  }

  #summary(): TunnelEnd {
    const { fromClient, fromBackend, backend, requestId } = this
    const endedBy = this.#endedBy ?? 'gateway'
    const said = endedBy === 'gateway' ? this.#goodbye?.code : undefined
    return {
      requestId,
      backend: backend.address,
      durationMs: Math.round(this.#host.timers.now() - this.openedAt),
      endedBy,
      closeCode: said ?? (fromClient.closeCode || fromBackend.closeCode || 1006),
      messagesFromClient: fromClient.messages,
      messagesFromBackend: fromBackend.messages,
      bytesFromClient: fromClient.bytes,
      bytesFromBackend: fromBackend.bytes,
      ...(this.#error !== null && { error: this.#error.code }),
    }
  }
}

function activityOf(tracker: FrameTracker): number {
  const { frames, controlFrames, bytes, atMessageBoundary } = tracker
  return frames - controlFrames + (atMessageBoundary ? 0 : bytes)
}

function onDeadline(tunnel: Tunnel): void {
  tunnel.expired()
}

/** Behind our FIN a reset would destroy what is still on its way to somebody who reads slowly. */
function letGo(leg: Socket, ended: boolean): void {
  if (ended && leg.queuedBytes === 0) leg.close()
  else leg.abort()
}

function maskKey(): Uint8Array {
  return crypto.getRandomValues(new Uint8Array(4))
}

const clientLeg: SocketHandler = {
  borrowsData: true,
  onOpen() {},
  onData(socket, chunk) {
    ;(socket.context as Tunnel).clientData(chunk)
  },
  onDrain(socket) {
    ;(socket.context as Tunnel).server.resume()
  },
  onEnd(socket) {
    ;(socket.context as Tunnel).clientEnd()
  },
  onClose(socket, error) {
    ;(socket.context as Tunnel).clientClose(error)
  },
}

const backendLeg: SocketHandler = {
  borrowsData: true,
  onOpen() {},
  onData(socket, chunk) {
    ;(socket.context as Tunnel).backendData(chunk)
  },
  onDrain(socket) {
    ;(socket.context as Tunnel).client.resume()
  },
  onEnd(socket) {
    ;(socket.context as Tunnel).backendEnd()
  },
  onClose(socket, error) {
    ;(socket.context as Tunnel).backendClose(error)
  },
}
