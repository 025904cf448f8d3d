import { Timer } from '../core/timer-wheel.ts'
import { isFailure } from '../http1/failure.ts'
import { HeadReader } from '../http1/head-reader.ts'
import type { RequestHead } from '../http1/request-head.ts'
import type { ResponseHead } from '../http1/response-head.ts'
import type { Socket, SocketHandler } from '../net/socket.ts'
import { checkUpgradeRequest, wrongVersion } from '../websocket/handshake.ts'
import { logDeclined, logFailure, logRefused, logRequest, tellTunnelOpened } from './access-log.ts'
import type { BackendConnection } from './backend-connection.ts'
import type { GatewayContext } from './context.ts'
import { failureAnswer } from './error-answer.ts'
import { Exchange, type Requester } from './exchange.ts'
import { type Failure, statusOf } from './failure.ts'
import { Peer } from './forwarding.ts'
import type { Route, Snapshot } from './snapshot.ts'
import type { Tunnel } from './tunnel.ts'
import { stopping, Upgrade, type Upgrader } from './upgrade.ts'

/** How long a client may take to close after our last answer, while what it still sends is thrown away. */
const lingerTimeout = 2000

/** How long a client may take nothing of a last answer that the kernel has not taken whole yet. */
const flushTimeout = 30_000

/** How long a connection without a request may wait for its first one once the gateway stops. */
const firstRequestTimeout = 1000

type Phase =
  /** Nothing of the next request has come. */
  | 'idle'
  /** A part of a request head has come. */
  | 'head'
  /** An exchange or an upgrade is under way. */
  | 'busy'
  /** The last answer was sent; reading on so that a reset does not destroy it on its way (RFC 9112 §9.6). */
  | 'lingering'
  | 'closed'

/** One accepted connection, from its first byte until it becomes a tunnel or ends. */
export class ClientConnection implements Requester, Upgrader {
  readonly socket: Socket
  peer: Peer
  readonly #context: GatewayContext
  readonly #connections: Set<ClientConnection>
  readonly #reader: HeadReader<RequestHead>
  readonly #timer: Timer<ClientConnection>
  #phase: Phase = 'idle'
  #work: Exchange | Upgrade | null = null
  /** Bytes behind the current request; reading is paused while there are any. */
  #ahead: Uint8Array | null = null
  /** Whether nothing has come on it yet. */
  #fresh = true
  #clientEnded = false
  /** Whether the client takes no more until `drained`. */
  #full = false
  /** Bytes of the last answer that were queued when the timer was set. */
  #unsent = 0
  /** Guards against recursion: an answer given at once leads straight to the next pipelined request. */
  #advancing = false

  /** Takes over an accepted socket and adds itself to the live connections until it ends. */
  constructor(context: GatewayContext, connections: Set<ClientConnection>, socket: Socket) {
    this.#context = context
    this.#connections = connections
    this.socket = socket
    const { trusted, headLimits, config } = context.snapshot
    this.peer = new Peer(socket.remoteAddress, trusted)
    this.#reader = new HeadReader(headLimits)
    this.#timer = new Timer<ClientConnection>(this, onDeadline)
    socket.context = this
    socket.handler = clientHandler
    connections.add(this)
    context.timers.schedule(this.#timer, config.timeouts.requestHead)
  }

  /**
   * Ends it as soon as its current request is answered; at once when there is none, unless the first one may be on
   * its way: a connection that waited in the listen queue has had no chance yet.
   */
  drain(): void {
    if (this.#phase === 'idle' && this.#fresh) this.#context.timers.schedule(this.#timer, firstRequestTimeout)
    else if (this.#phase === 'idle') this.#linger()
    else if (this.#work instanceof Upgrade) this.#work.stop()
  }

  /** Makes room for another client, if it only waits for its next request. */
  shed(): boolean {
    if (this.#phase !== 'idle' || this.#fresh) return false
    this.#phase = 'lingering'
    this.socket.end()
    this.socket.close()
    return true
  }

  abort(): void {
    // The close is told later only: an answer of the backend that comes before must not open a tunnel.
    this.#work?.cancel()
    this.socket.abort()
  }

  write(chunk: Uint8Array): boolean {
    this.#full = !this.socket.write(chunk)
    return !this.#full
  }

  pause(): void {
    this.socket.pause()
  }

  resume(): void {
    if (this.#ahead === null) this.socket.resume()
  }

  data(chunk: Uint8Array): void {
    switch (this.#phase) {
      case 'idle':
      case 'head':
        this.#ahead = this.#ahead === null ? chunk : concat(this.#ahead, chunk)
        this.#advance()
        break
      case 'busy':
        this.#dataWhileBusy(chunk)
        break
      default: // thrown away
    }
    // The chunk is only lent, and what is ahead may have to wait.
    if (this.#ahead?.buffer === chunk.buffer) this.#ahead = new Uint8Array(this.#ahead)
  }

  drained(): void {
    this.#full = false
    const work = this.#work
    if (work instanceof Exchange) work.clientDrained()
    else this.#advance()
  }

  ended(): void {
    this.#clientEnded = true
    const work = this.#work
    // A complete request still gets its answer; an upgrade needs both directions.
    if (work === null) this.socket.end()
    else if (work instanceof Upgrade || work.awaitsBody) this.abort()
  }

  closed(): void {
    this.#phase = 'closed'
    this.#context.timers.cancel(this.#timer)
    this.#connections.delete(this)
    const work = this.#work
    this.#work = null
    if (work === null) return
    work.cancel()
    logRequest(this.#context, work, this.peer, clientGone.code)
  }

  timedOut(): void {
    if (this.#phase === 'head') {
      this.#refuse({ code: 'REQUEST_HEAD_TIMEOUT', message: 'the request head stopped coming' })
    } else if (this.#work instanceof Exchange) {
      if (this.#work.excusesClient()) this.#expectBody(this.#work)
      else this.#work.bodyTimedOut()
    } else if (this.#phase === 'idle') {
      this.#linger()
    } else if (this.socket.queuedBytes < this.#unsent) {
      this.#waitForFlush()
    } else if (this.#unsent === 0) {
      // Not reset: a slow client still has to get what is on its way.
      this.socket.close()
    } else {
      this.socket.abort()
    }
  }

  exchangeDone(exchange: Exchange, keepOpen: boolean): void {
    this.#work = null
    logRequest(this.#context, exchange, this.peer, null)
    this.#afterAnswer(keepOpen)
  }

  exchangeFailed(exchange: Exchange, failure: Failure, answered: boolean): void {
    this.#work = null
    logFailure(this.#context, failure, exchange.requestId, exchange.backend)
    if (answered) {
      // Only a cut tells that what was sent is not the whole.
      this.socket.abort()
      logRequest(this.#context, exchange, this.peer, failure.code)
      return
    }
    const keepOpen = !exchange.awaitsBody && this.#mayKeepOpen(exchange.head, failure)
    exchange.status = this.#answer(failure, exchange.requestId, exchange.head, keepOpen)
    logRequest(this.#context, exchange, this.peer, failure.code)
    this.#afterAnswer(keepOpen)
  }

  upgraded(upgrade: Upgrade, tunnel: Tunnel): void {
    this.#phase = 'closed'
    this.#work = null
    this.#context.timers.cancel(this.#timer)
    this.#connections.delete(this)
    tellTunnelOpened(this.#context, upgrade, tunnel, this.peer)
  }

  upgradeDeclined(
    upgrade: Upgrade,
    connection: BackendConnection,
    head: ResponseHead,
    rest: Uint8Array | null,
  ): void {
    const { snapshot, requestId, route, selection } = upgrade
    const exchange = new Exchange(
      this.#context,
      snapshot,
      this,
      upgrade.head,
      requestId,
      route.pool,
      selection,
    )
    exchange.startedAt = upgrade.startedAt
    // What the client sent early is no request: the connection cannot be used for another one.
    if (upgrade.hasEarlyBytes) exchange.closeAfter()
    this.#work = exchange
    exchange.adopt(connection, head, rest)
  }

  upgradeFailed(upgrade: Upgrade, failure: Failure): void {
    this.#work = null
    logFailure(this.#context, failure, upgrade.requestId, upgrade.backend)
    const keepOpen = this.#mayKeepOpen(upgrade.head, failure) && !upgrade.hasEarlyBytes
    upgrade.status = this.#answer(failure, upgrade.requestId, upgrade.head, keepOpen)
    logRequest(this.#context, upgrade, this.peer, failure.code)
    this.#afterAnswer(keepOpen)
  }

  /** Reads requests from what has come until one is under way, more is needed, or the client reads too slowly. */
  #advance(): void {
    if (this.#advancing) return
    this.#advancing = true
    while ((this.#phase === 'idle' || this.#phase === 'head') && this.#ahead !== null) {
      if (this.#full) {
        this.socket.pause()
        break
      }
      const chunk: Uint8Array = this.#ahead
      this.#ahead = null
      this.#readHead(chunk)
    }
    this.#advancing = false
  }

  #readHead(chunk: Uint8Array): void {
    const { timers, snapshot } = this.#context
    this.#reader.limits = snapshot.headLimits
    const head = this.#reader.read(chunk, snapshot.parseRequest)
    const rest = this.#reader.rest
    // Else an idle connection would keep the whole chunk alive.
    this.#reader.rest = null
    if (head === undefined) {
      this.socket.resume()
      if (this.#phase === 'head' || !this.#reader.begun) return
      this.#phase = 'head'
      this.#fresh = false
      timers.schedule(this.#timer, snapshot.config.timeouts.requestHead)
    } else if (isFailure(head)) {
      this.#refuse({
        code: head.status === 431 ? 'REQUEST_HEAD_TOO_LARGE' : 'REQUEST_MALFORMED',
        message: head.reason,
        status: head.status,
      })
    } else {
      this.#begin(head, rest)
    }
  }

  #begin(head: RequestHead, rest: Uint8Array | null): void {
    const context = this.#context
    const { snapshot } = context
    if (!this.peer.knows(snapshot.trusted)) this.peer = new Peer(this.socket.remoteAddress, snapshot.trusted)
    const requestId = this.peer.requestId(head.fields) ?? context.nextRequestId()
    this.#phase = 'busy'
    this.#fresh = false
    context.timers.cancel(this.#timer)
    const route = snapshot.routes[snapshot.matchRoute(head.host, head.path, head.fields)]
    if (route === undefined) {
      this.#decline(
        head,
        requestId,
        { code: 'ROUTE_NOT_FOUND', message: 'no route matches this request' },
        rest,
      )
    } else if (head.upgrade === 'websocket') {
      this.#beginUpgrade(snapshot, route, head, requestId, rest)
    } else {
      const exchange = new Exchange(context, snapshot, this, head, requestId, route.pool)
      this.#work = exchange
      this.#afterHead(rest)
      if (this.#work === exchange) exchange.start()
    }
  }

  #beginUpgrade(
    snapshot: Snapshot,
    route: Route,
    head: RequestHead,
    requestId: string,
    rest: Uint8Array | null,
  ): void {
    const { fields, framing } = head
    const problem =
      framing.kind === 'none'
        ? checkUpgradeRequest({
            method: head.method,
            minor: head.minor,
            upgrade: head.upgrade ?? undefined,
            version: fields.whole('sec-websocket-version'),
            key: fields.whole('sec-websocket-key'),
          })
        : 'a WebSocket upgrade must not have a body'
    if (problem !== null) {
      const status = problem === wrongVersion ? 426 : 400
      this.#decline(head, requestId, { code: 'UPGRADE_INVALID', message: problem, status }, rest)
      return
    }
    if (this.#context.draining) {
      this.#decline(head, requestId, stopping, rest)
      return
    }
    const upgrade = new Upgrade(this.#context, snapshot, route, this, head, requestId)
    this.#work = upgrade
    this.#afterHead(rest)
    upgrade.start()
  }

  #afterHead(rest: Uint8Array | null): void {
    // An upgrade reads on: the request before it may have paused the socket over these bytes.
    if (rest === null || this.#work instanceof Upgrade) this.socket.resume()
    if (rest !== null) this.#dataWhileBusy(rest)
    else if (this.#work?.awaitsBody) this.#expectBody(this.#work)
  }

  #dataWhileBusy(chunk: Uint8Array): void {
    const work = this.#work
    if (work instanceof Upgrade) {
      work.clientData(chunk)
      return
    }
    let end = 0
    if (work?.awaitsBody) {
      end = work.clientData(chunk, 0)
      // It failed over these bytes and was answered.
      if (this.#work !== work) return
      if (work.awaitsBody) this.#expectBody(work)
      else this.#context.timers.cancel(this.#timer)
    }
    if (end === chunk.length) return
    const rest = end === 0 ? chunk : chunk.subarray(end)
    this.#ahead = this.#ahead === null ? rest : concat(this.#ahead, rest)
    this.socket.pause()
  }

  #expectBody({ snapshot }: Exchange | Upgrade): void {
    this.#context.timers.schedule(this.#timer, snapshot.config.timeouts.requestBodyIdle)
  }

  /** Answers a request that goes nowhere. */
  #decline(head: RequestHead, requestId: string, failure: Failure, rest: Uint8Array | null): void {
    const keepOpen = hasNoBody(head) && this.#mayKeepOpen(head)
    this.#ahead = keepOpen ? rest : null
    const status = this.#answer(failure, requestId, head, keepOpen)
    logFailure(this.#context, failure, requestId, null)
    logDeclined(this.#context, head, requestId, this.peer, status, failure)
    this.#afterAnswer(keepOpen)
  }

  /** Answers what is not even a request, and ends the connection: its bytes cannot be trusted any more. */
  #refuse(failure: Failure): void {
    const requestId = this.#context.nextRequestId()
    this.#answer(failure, requestId, null, false)
    logRefused(this.#context, requestId, this.peer, failure)
    this.#linger()
  }

  #mayKeepOpen(head: RequestHead, failure?: Failure): boolean {
    return head.keepAlive && !this.#context.draining && failure?.code !== 'DESCRIPTORS_LOW'
  }

  /** Returns the status it sent. */
  #answer(failure: Failure, requestId: string, head: RequestHead | null, keepOpen: boolean): number {
    const status = statusOf(failure)
    this.write(failureAnswer(failure, status, requestId, head, keepOpen))
    return status
  }

  #afterAnswer(keepOpen: boolean): void {
    if (!keepOpen || this.#clientEnded || this.#context.draining) {
      this.#linger()
      return
    }
    this.#phase = 'idle'
    const { timers, snapshot } = this.#context
    timers.schedule(this.#timer, snapshot.config.timeouts.clientIdle)
    if (this.#ahead === null) this.socket.resume()
    else this.#advance()
  }

  #linger(): void {
    this.#phase = 'lingering'
    this.#ahead = null
    this.socket.end()
    this.socket.resume()
    this.#waitForFlush()
  }

  #waitForFlush(): void {
    this.#unsent = this.socket.queuedBytes
    this.#context.timers.schedule(this.#timer, this.#unsent > 0 ? flushTimeout : lingerTimeout)
  }
}

const clientGone: Failure = { code: 'CLIENT_GONE', message: 'the client went away' }

function hasNoBody({ framing }: RequestHead): boolean {
  return framing.kind === 'none' || (framing.kind === 'length' && framing.length === 0)
}

function concat(first: Uint8Array, second: Uint8Array): Uint8Array {
  const both = new Uint8Array(first.length + second.length)
  both.set(first)
  both.set(second, first.length)
  return both
}

function onDeadline(connection: ClientConnection): void {
  connection.timedOut()
}

const clientHandler: SocketHandler = {
  borrowsData: true,
  onOpen() {},
  onData(socket, chunk) {
    ;(socket.context as ClientConnection).data(chunk)
  },
  onDrain(socket) {
    ;(socket.context as ClientConnection).drained()
  },
  onEnd(socket) {
    ;(socket.context as ClientConnection).ended()
  },
  onClose(socket) {
    ;(socket.context as ClientConnection).closed()
  },
}
