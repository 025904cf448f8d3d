import { clientKey } from '../core/admission/client-key.ts'
import { isFailure } from '../http1/failure.ts'
import type { RequestHead } from '../http1/request-head.ts'
import type { ResponseHead } from '../http1/response-head.ts'
import { encodeHead } from '../http1/write-head.ts'
import type { Socket, SocketError } from '../net/socket.ts'
import { checkUpgradeResponse } from '../websocket/handshake.ts'
import { logRetry } from './access-log.ts'
import { type Applicant, Seat } from './admission/seat.ts'
import type { Backend } from './backend.ts'
import { BackendConnection, type BackendUser } from './backend-connection.ts'
import type { GatewayContext } from './context.ts'
import { Dial, type Dialler } from './dial.ts'
import { type Failure, isBackendsFault } from './failure.ts'
import { type Peer, requestText, switchingText } from './forwarding.ts'
import type { Selection } from './pool.ts'
import type { Route, Snapshot } from './snapshot.ts'
import { Tunnel } from './tunnel.ts'

/** The client side of an upgrade. Exactly one of the three is called, unless cancelled. */
export interface Upgrader {
  readonly socket: Socket
  readonly peer: Peer
  /** The socket belongs to the tunnel now. */
  upgraded(upgrade: Upgrade, tunnel: Tunnel): void
  /** The backend answered with something else than 101; the answer is to be passed on whole. */
  upgradeDeclined(
    upgrade: Upgrade,
    connection: BackendConnection,
    head: ResponseHead,
    rest: Uint8Array | null,
  ): void
  upgradeFailed(upgrade: Upgrade, failure: Failure): void
}

/** A client has no business sending much before the 101; more than this waits in its own send buffer. */
const earlyLimit = 64 * 1024

/**
 * The way from a client's upgrade request to a tunnel, with a wait for a seat where there are caps. Other backends are
 * tried until one gives a proper answer, 101 or not: that one decides.
 */
export class Upgrade implements BackendUser, Dialler, Applicant {
  snapshot: Snapshot
  route: Route
  readonly head: RequestHead
  readonly requestId: string
  readonly startedAt: number
  /** Who was sent the request last. */
  backend: Backend | null = null
  /** Status answered to the client, 0 before. */
  status = 0
  readonly bytesFromBackend = 0
  /** An upgrade request has no body. */
  readonly awaitsBody = false
  /** Whether the client already sent bytes behind its request. */
  hasEarlyBytes = false
  readonly #context: GatewayContext
  readonly #upgrader: Upgrader
  selection: Selection
  /** Its own until the tunnel has it. */
  #seat: Seat | null = null
  /** Milliseconds it has waited for a seat. */
  waitedMs = 0
  #waitsSince = 0
  /** Why it had to wait again. */
  setback: Failure | null = null
  #sentAt = 0
  /** The backend in whose load the upgrade counts. */
  #counted: Backend | null = null
  #dial: Dial | null = null
  #connection: BackendConnection | null = null
  #early: Uint8Array[] = []
  bytesFromClient = 0
  #over = false

  constructor(
    context: GatewayContext,
    snapshot: Snapshot,
    route: Route,
    upgrader: Upgrader,
    head: RequestHead,
    requestId: string,
  ) {
    this.#context = context
    this.snapshot = snapshot
    this.route = route
    this.#upgrader = upgrader
    this.head = head
    this.requestId = requestId
    this.selection = route.pool.select(head, upgrader.peer, true)
    this.startedAt = context.timers.now()
  }

  start(): void {
    const entered = this.#context.admission.enter(this)
    // A listener that was told of a full room may have ended it.
    if (this.#over) {
      if (entered instanceof Seat) entered.free()
    } else if (entered instanceof Seat) {
      this.#seat = entered
      if (entered.backend === null) this.#waitsSince = this.startedAt
      else this.#startDial(entered.backend)
    } else this.#failWith(entered)
  }

  get poolName(): string {
    return this.route.pool.name
  }

  clientKey(): string | null {
    const address = this.#upgrader.peer.clientAddress(this.head.fields)
    return address === 'unix' ? null : clientKey(address)
  }

  choose(): Backend | number | null {
    return this.selection.nextSeat(this.#context.timers.now())
  }

  hopeless(): boolean {
    return this.selection.hopeless
  }

  seated(backend: Backend): void {
    this.#countWait()
    this.#startDial(backend)
  }

  refused(failure: Failure): void {
    this.#countWait()
    this.#failWith(failure)
  }

  /** It has waited all the time, so it goes by what counts now: a backend that it waits for may be gone. */
  reroute(snapshot: Snapshot): Failure | null {
    const { host, path, fields } = this.head
    const route = snapshot.routes[snapshot.matchRoute(host, path, fields)]
    if (route === undefined) return { code: 'ROUTE_NOT_FOUND', message: 'no route matches this request' }
    this.snapshot = snapshot
    this.route = route
    this.selection = route.pool.select(this.head, this.#upgrader.peer, true)
    return null
  }

  /** Backends that were tried. */
  get attempts(): number {
    return this.selection.attempts
  }

  /** Holds what the client sends before the 101; reading goes on so that a client that leaves is noticed. */
  clientData(chunk: Uint8Array): void {
    this.hasEarlyBytes = true
    this.#early.push(new Uint8Array(chunk))
    this.bytesFromClient += chunk.length
    if (this.bytesFromClient > earlyLimit) this.#upgrader.socket.pause()
  }

  /** The gateway is stopping: a tunnel that is not open yet is better opened elsewhere. */
  stop(): void {
    this.#fail(stopping.code, stopping.message)
  }

  /** The client is gone. */
  cancel(): void {
    if (this.#over) return
    this.#over = true
    this.#dial?.cancel()
    this.#connection?.abort()
    this.#uncount()
    if (this.#seat !== null && this.#seat.wait !== null) this.#countWait()
    this.#seat?.free()
  }

  dialled(socket: Socket, backend: Backend): void {
    this.#dial = null
    this.backend = backend
    backend.requests++
    backend.take()
    this.#counted = backend
    this.#sentAt = this.#context.timers.now()
    const connection = new BackendConnection(this.#context, socket, backend, this, this.snapshot.headLimits)
    this.#connection = connection
    socket.write(encodeHead(requestText(this.head, this.#upgrader.peer, this.requestId, true)))
    connection.setTimeout(this.snapshot.config.timeouts.upgrade)
  }

  /** Whether the backend agrees is not known before it answered, so an upgrade has a connection of its own. */
  reuses(backend: Backend): boolean {
    this.#seat?.moveTo(backend, this.#context.timers.now())
    return false
  }

  dialFailed(failure: Failure): void {
    this.#dial = null
    if (!isBackendsFault(failure.code) || !this.#goesOn(failure, null)) this.#failWith(failure)
  }

  backendData(connection: BackendConnection, chunk: Uint8Array): void {
    const parse = this.snapshot.responseParser('GET')
    let bytes: Uint8Array | null = chunk
    while (bytes !== null) {
      const head = connection.reader.read(bytes, parse)
      if (head === undefined) return
      if (isFailure(head)) {
        this.#fail('BACKEND_RESPONSE_INVALID', `the backend's answer is malformed: ${head.reason}`)
        return
      }
      bytes = connection.reader.rest
      // Else a connection that is kept would keep the whole chunk alive.
      connection.reader.rest = null
      if (head.status === 101 || head.status >= 200) {
        this.#decide(connection, head, bytes)
        return
      }
    }
  }

  backendDrained(): void {}

  backendEnded(): void {
    this.#fail('BACKEND_CLOSED', 'the backend closed the connection before it answered the upgrade')
  }

  backendClosed(_connection: BackendConnection, error: SocketError | null): void {
    const how = error === null ? 'closed' : `broke (${error.code})`
    this.#fail('BACKEND_CLOSED', `the backend ${how} the connection before it answered the upgrade`)
  }

  backendTimedOut(): void {
    this.#fail('BACKEND_RESPONSE_TIMEOUT', 'the backend did not answer the upgrade in time')
  }

  #startDial(backend: Backend): void {
    const { connect } = this.snapshot.config.timeouts
    this.#dial = new Dial(this.#context, connect, this.selection, backend, this)
    this.#dial.start()
  }

  #decide(connection: BackendConnection, head: ResponseHead, rest: Uint8Array | null): void {
    if (head.status !== 101) {
      this.#over = true
      this.#seat?.free()
      this.#upgrader.upgradeDeclined(this, connection, head, rest)
      this.#uncount()
      return
    }
    const { fields } = this.head
    const problem = checkUpgradeResponse({
      status: head.status,
      upgrade: head.upgrade ?? undefined,
      accept: head.fields.whole('sec-websocket-accept'),
      key: fields.whole('sec-websocket-key') ?? '',
      protocol: head.fields.whole('sec-websocket-protocol'),
      offeredProtocols: fields.whole('sec-websocket-protocol'),
      extensions: head.fields.whole('sec-websocket-extensions'),
      offeredExtensions: fields.whole('sec-websocket-extensions'),
    })
    if (problem === null) this.#openTunnel(connection, head, rest)
    else this.#fail('BACKEND_UPGRADE_INVALID', `the backend's 101 is not valid: ${problem}`)
  }

  #openTunnel(connection: BackendConnection, head: ResponseHead, rest: Uint8Array | null): void {
    this.#over = true
    const client = this.#upgrader.socket
    const server = connection.release()
    const extended = head.fields.has('sec-websocket-extensions')
    const { backend } = connection
    const rules = this.route.tunnels
    const seat = this.#seat as Seat
    this.#seat = null
    const tunnel = new Tunnel(this.#context, client, server, backend, this.requestId, extended, rules, seat)
    this.#uncount()
    const now = this.#context.timers.now()
    backend.handshakes.observe(now - this.#sentAt, now)
    if (rest !== null) tunnel.backendSaid(rest)
    const secure = this.#upgrader.peer.secure(this.head.fields)
    const text = switchingText(head, this.route.pool.pinField(this.selection, backend, secure))
    if (!client.write(encodeHead(text, rest ?? undefined))) server.pause()
    this.#context.health.tunnelOpened(tunnel)
    this.#upgrader.upgraded(this, tunnel)
    // First, since a backend that does not take the early bytes pauses it again.
    client.resume()
    for (const chunk of this.#early) tunnel.clientData(chunk)
  }

  #countWait(): void {
    this.waitedMs += this.#context.timers.now() - this.#waitsSince
  }

  #fail(code: Failure['code'], message: string): void {
    this.#failWith({ code, message })
  }

  #failWith(failure: Failure): void {
    const { code } = failure
    if (this.#over) return
    if (this.#connection !== null && isBackendsFault(code)) {
      this.#blame(this.#connection.backend, failure)
      if (this.#goesOn(failure, this.#connection)) return
    }
    this.cancel()
    this.#upgrader.upgradeFailed(this, failure)
  }

  #blame(backend: Backend, failure: Failure): void {
    const { timers, health } = this.#context
    const now = timers.now()
    backend.failed(Math.max(now - this.#sentAt, this.snapshot.config.timeouts.connect), now)
    health.requestFailed(backend, failure)
  }

  /**
   * Goes on with another backend, at once or when one has room; false when there is none. An upgrade has no body and
   * changes nothing before its 101, of which nothing has reached the client.
   * @param connection that has failed
   */
  #goesOn(failure: Failure, connection: BackendConnection | null): boolean {
    const seat = this.#seat
    if (seat === null || this.#over) return false
    const now = this.#context.timers.now()
    const next = this.selection.nextSeat(now)
    if (next === null) return false
    if (typeof next === 'number') {
      const left = seat.room.timeout - (now - this.startedAt)
      if (left <= 0 || !this.#context.admission.reenter(seat, this, left)) return false
      this.setback = failure
      this.#waitsSince = now
    } else {
      seat.moveTo(next, now)
      if (connection !== null) logRetry(this.#context, failure, this.requestId, connection.backend, next)
    }
    connection?.abort()
    this.#connection = null
    this.backend = null
    this.#uncount()
    if (typeof next !== 'number') this.#startDial(next)
    return true
  }

  #uncount(): void {
    this.#counted?.release()
    this.#counted = null
  }
}

/** Why nobody gets a new tunnel any more. */
export const stopping: Failure = { code: 'GATEWAY_STOPPING', message: 'the gateway is stopping' }
