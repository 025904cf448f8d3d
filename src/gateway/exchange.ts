import { BodyDecoder } from '../http1/body.ts'
import { isFailure } from '../http1/failure.ts'
import { isIdempotent } from '../http1/idempotent.ts'
import type { RequestHead } from '../http1/request-head.ts'
import type { ResponseHead } from '../http1/response-head.ts'
import { encodeChunk, encodeHead, encodeLastChunk } from '../http1/write-head.ts'
import type { Socket, SocketError } from '../net/socket.ts'
import { logRetry } from './access-log.ts'
import type { Backend } from './backend.ts'
import { BackendConnection, type BackendUser } from './backend-connection.ts'
import { keepAliveHint } from './connection-reuse.ts'
import type { GatewayContext } from './context.ts'
import { Dial, type Dialler } from './dial.ts'
import { type Failure, isBackendsFault, isFaultyStatus, isTiredOfWaiting } from './failure.ts'
import { type Peer, requestText, responseText } from './forwarding.ts'
import type { Pool, Selection } from './pool.ts'
import type { Snapshot } from './snapshot.ts'

/** The client side of an exchange. */
export interface Requester {
  readonly socket: Socket
  readonly peer: Peer
  /** Sends to the client; false: no more until `clientDrained`. */
  write(chunk: Uint8Array): boolean
  /** Stops reading from the client. */
  pause(): void
  /** Reads on, unless bytes of the next request are already there. */
  resume(): void
  /**
   * The exchange is over, its answer was passed on.
   * @param keepOpen whether the client may send another request
   */
  exchangeDone(exchange: Exchange, keepOpen: boolean): void
  /** The exchange is over. With `answered` a part of the answer is out: only cutting it is honest. */
  exchangeFailed(exchange: Exchange, failure: Failure, answered: boolean): void
}

/** One HTTP request and its answer, both streamed, each side reading only as fast as the other takes. */
export class Exchange implements BackendUser, Dialler {
  readonly snapshot: Snapshot
  readonly head: RequestHead
  readonly requestId: string
  readonly pool: Pool
  startedAt: number
  /** Who answers, once that is known. */
  backend: Backend | null = null
  /** Status passed on to the client, 0 before. */
  status = 0
  bytesFromClient = 0
  bytesFromBackend = 0
  readonly #context: GatewayContext
  readonly #requester: Requester
  readonly #selection: Selection
  /** The backend in whose load the request counts. */
  #counted: Backend | null = null
  /** When the whole request was with the backend, 0 before. */
  #sentAt = 0
  #dial: Dial | null = null
  #connection: BackendConnection | null = null
  /** Null when there is no request body, or when all of it was passed on. */
  #requestBody: BodyDecoder | null
  /** Body bytes that came before a backend was found; the client is paused meanwhile. */
  #held: Uint8Array[] = []
  #responseHead: ResponseHead | null = null
  #responseBody: BodyDecoder | null = null
  /**
   * Whether a body that lasts until close is passed on in chunks: the client can then tell its end from a cut
   * wherever it is, and go on using the connection.
   */
  #chunks = false
  /** What `#moves` counted when it was last asked. */
  #moved = Number.NEGATIVE_INFINITY
  #continued = false
  /** Whether the backend gave a sign of life for this request. */
  #touched = false
  #closeAfter = false
  #over = false

  constructor(
    context: GatewayContext,
    snapshot: Snapshot,
    requester: Requester,
    head: RequestHead,
    requestId: string,
    pool: Pool,
    selection: Selection = pool.select(head, requester.peer, false),
  ) {
    this.#context = context
    this.snapshot = snapshot
    this.#requester = requester
    this.head = head
    this.requestId = requestId
    this.pool = pool
    this.#selection = selection
    this.startedAt = context.timers.now()
    this.#requestBody =
      head.framing.kind === 'none' ? null : new BodyDecoder(head.framing, 'framed', snapshot.headLimits)
    if (this.#requestBody?.done) this.#requestBody = null
  }

  /** Whether the client still owes a part of the request's body. */
  get awaitsBody(): boolean {
    return this.#requestBody !== null
  }

  start(): void {
    const backend = this.#selection.first(this.startedAt)
    if (backend === null) {
      this.#fail('NO_BACKEND', `pool ${this.pool.name} has no backend for this request`)
      return
    }
    if (!this.reuses(backend)) this.#startDial(backend)
  }

  /** Backends that were tried. */
  get attempts(): number {
    return this.#selection.attempts
  }

  reuses(backend: Backend): boolean {
    const connection = this.#context.reuse.take(backend, this)
    if (connection === null) return false
    this.#dial = null
    connection.reader.limits = this.snapshot.headLimits
    this.#send(connection)
    return true
  }

  /** Continues with an answer whose head was read by somebody else: a backend that declined an upgrade. */
  adopt(connection: BackendConnection, head: ResponseHead, rest: Uint8Array | null): void {
    this.#connection = connection
    this.backend = connection.backend
    this.#count(connection.backend)
    connection.user = this
    connection.setTimeout(this.snapshot.config.timeouts.responseBodyIdle)
    this.#respond(connection, head, rest)
  }

  /** The client's connection must not be used for another request, whatever the answer is. */
  closeAfter(): void {
    this.#closeAfter = true
  }

  /** Takes body bytes from the client; returns the index behind the last byte that belongs to the body. */
  clientData(chunk: Uint8Array, start: number): number {
    const body = this.#requestBody
    if (body === null) return start
    const pieces: Uint8Array[] = []
    const end = body.push(chunk, start, pieces)
    this.bytesFromClient += end - start
    if (body.failure !== null) {
      this.#fail('REQUEST_BODY_MALFORMED', body.failure.reason)
      return chunk.length
    }
    if (body.done) this.#requestBody = null
    const connection = this.#connection
    if (connection === null) {
      for (const piece of pieces) this.#held.push(new Uint8Array(piece))
      this.#requester.pause()
    } else {
      this.#passRequestBody(connection, pieces)
    }
    return end
  }

  clientDrained(): void {
    this.#connection?.socket.resume()
  }

  /** The client is gone, or is not wanted any more: nobody waits for the answer. */
  cancel(): void {
    if (this.#over) return
    this.#over = true
    this.#dial?.cancel()
    this.#connection?.abort()
    this.#count(null)
  }

  /**
   * Whether it is not the client's doing that no byte of its body came: no backend has accepted yet, or the
   * backend has taken some of what is queued for it since the last call. From the answer on, its deadline is the
   * one that counts: a client that is answered early may leave the rest of its body unsent.
   */
  excusesClient(): boolean {
    const connection = this.#connection
    if (connection === null || this.#responseHead !== null) return true
    return connection.socket.queuedBytes > 0 && this.#moves(connection)
  }

  /** The client sent no byte of its body for too long, unless we are the ones who do not take them. */
  bodyTimedOut(): void {
    if (this.#connection !== null && this.#connection.socket.queuedBytes > 0) {
      this.#fail('BACKEND_BODY_TIMEOUT', 'the backend stopped taking the request body')
    } else if (this.head.expectContinue && !this.#continued && this.bytesFromClient === 0) {
      this.#fail('BACKEND_RESPONSE_TIMEOUT', 'the backend neither asked for the request body nor answered')
    } else {
      this.#fail('REQUEST_BODY_TIMEOUT', 'the request body stopped coming')
    }
  }

  dialled(socket: Socket, backend: Backend): void {
    this.#dial = null
    this.#send(new BackendConnection(this.#context, socket, backend, this, this.snapshot.headLimits))
  }

  dialFailed(failure: Failure): void {
    this.#dial = null
    this.#fail(failure.code, failure.message)
  }

  backendData(connection: BackendConnection, chunk: Uint8Array): void {
    if (this.#responseHead !== null) {
      this.#passResponseBody(connection, chunk, 0)
      return
    }
    let bytes: Uint8Array | null = chunk
    const parse = this.snapshot.responseParser(this.head.method)
    while (bytes !== null && !this.#over && connection === this.#connection) {
      const head = connection.reader.read(bytes, parse)
      if (head === undefined) return
      if (isFailure(head)) {
        this.#fail('BACKEND_RESPONSE_INVALID', `the backend's response is malformed: ${head.reason}`)
        return
      }
      bytes = connection.reader.rest
      // Else an idle connection would keep the whole chunk alive.
      connection.reader.rest = null
      if (head.status >= 200) {
        this.#respond(connection, head, bytes)
        return
      }
      this.#passInterim(connection, head)
    }
  }

  backendDrained(): void {
    this.#requester.resume()
  }

  backendEnded(connection: BackendConnection): void {
    if (this.#responseBody?.end()) {
      if (this.#chunks) this.#requester.write(encodeLastChunk())
      this.#finish(connection, true)
    } else this.#lost(connection, null)
  }

  backendClosed(connection: BackendConnection, error: SocketError | null): void {
    this.#lost(connection, error)
  }

  backendTimedOut(connection: BackendConnection): void {
    const { timeouts } = this.snapshot.config
    if (this.#awaitsMore(connection) && this.#moves(connection)) {
      connection.setTimeout(this.#responseHead === null ? timeouts.response : timeouts.responseBodyIdle)
    } else if (this.#responseHead === null) {
      this.#fail('BACKEND_RESPONSE_TIMEOUT', 'the backend did not answer in time')
    } else if (this.#requester.socket.queuedBytes > 0) {
      this.#fail('CLIENT_GONE', 'the client stopped taking the response body')
    } else {
      this.#fail('BACKEND_BODY_TIMEOUT', 'the backend stopped within a response body')
    }
  }

  /** Whether bytes are still on their way to the backend or to the client, so that the next ones have to wait. */
  #awaitsMore(connection: BackendConnection): boolean {
    const queued = connection.socket.queuedBytes + this.#requester.socket.queuedBytes
    return queued > 0 || this.#requestBody !== null
  }

  /** Whether any byte went on, in either direction, since this was last asked. Both directions only ever add. */
  #moves(connection: BackendConnection): boolean {
    const before = this.#moved
    const queued = connection.socket.queuedBytes + this.#requester.socket.queuedBytes
    this.#moved = this.bytesFromClient + this.bytesFromBackend - queued
    return this.#moved > before
  }

  #startDial(backend: Backend): void {
    this.#dial = new Dial(
      this.#context,
      this.snapshot.config.timeouts.connect,
      this.#selection,
      backend,
      this,
    )
    this.#dial.start()
  }

  #send(connection: BackendConnection): void {
    this.#connection = connection
    this.backend = connection.backend
    connection.backend.requests++
    this.#count(connection.backend)
    const text = requestText(this.head, this.#requester.peer, this.requestId, false)
    const held = this.#held
    let room = connection.socket.write(encodeHead(text, held[0]))
    for (let i = 1; i < held.length; i++) room = connection.socket.write(held[i] as Uint8Array)
    if (held.length > 0) this.#held = []
    // Also without held bytes: it was paused over a part of a chunk header, too.
    if (room) this.#requester.resume()
    if (this.#requestBody === null) this.#awaitAnswer(connection)
  }

  #passRequestBody(connection: BackendConnection, pieces: readonly Uint8Array[]): void {
    let room = true
    for (const piece of pieces) room = connection.socket.write(piece)
    if (!room) this.#requester.pause()
    if (this.#requestBody === null && this.#responseHead === null) this.#awaitAnswer(connection)
  }

  #awaitAnswer(connection: BackendConnection): void {
    this.#sentAt = this.#context.timers.now()
    connection.setTimeout(this.snapshot.config.timeouts.response)
  }

  #passInterim(connection: BackendConnection, head: ResponseHead): void {
    if (head.status === 101) {
      this.#fail('BACKEND_RESPONSE_INVALID', 'the backend switched protocols without being asked')
      return
    }
    if (head.status === 100) this.#continued = true
    this.#touched = true
    // HTTP/1.0 knows no interim answers (RFC 9110 §15.2).
    if (this.head.minor === 0) return
    if (!this.#requester.write(encodeHead(responseText(head, null)))) connection.socket.pause()
  }

  #respond(connection: BackendConnection, head: ResponseHead, rest: Uint8Array | null): void {
    this.#responseHead = head
    this.status = head.status
    if (isFaultyStatus(head.status)) {
      this.#context.health.failed(connection.backend, `it answered with status ${head.status}`)
    }
    // A backend that is quick to say that it cannot is not quick.
    if (this.#sentAt > 0 && head.status < 500) {
      const now = this.#context.timers.now()
      connection.backend.responses.observe(now - this.#sentAt, now)
    }
    // An answer before the end of its request: what the client still sends could be body or the next request.
    if (this.#requestBody !== null) this.#closeAfter = true
    const framed = this.head.minor === 1
    this.#chunks = framed && head.framing.kind === 'close'
    const keepOpen = this.#mayKeepOpen(head)
    const connectionField = keepOpen ? (framed ? null : 'keep-alive') : 'close'
    const secure = this.#requester.peer.secure(this.head.fields)
    // Nobody is to stay with a backend for an answer that says it cannot serve.
    const pin = head.status < 500 ? this.pool.pinField(this.#selection, connection.backend, secure) : ''
    const text = responseText(head, connectionField, framed, pin)
    connection.keepAliveHint = keepAliveHint(head)
    if (head.framing.kind === 'none') {
      this.#requester.write(encodeHead(text))
      this.#finish(connection, rest === null)
      return
    }
    const body = new BodyDecoder(head.framing, framed ? 'framed' : 'content', this.snapshot.headLimits)
    this.#responseBody = body
    if (rest === null && !body.done) {
      if (!this.#requester.write(encodeHead(text))) connection.socket.pause()
      connection.setTimeout(this.snapshot.config.timeouts.responseBodyIdle)
      return
    }
    this.#passResponseBody(connection, rest ?? empty, 0, text)
  }

  /** Passes on what belongs to the body, behind the head if that is still to be sent. */
  #passResponseBody(connection: BackendConnection, chunk: Uint8Array, start: number, head?: string): void {
    const body = this.#responseBody as BodyDecoder
    const client = this.#requester
    const pieces: Uint8Array[] = []
    const end = body.push(chunk, start, pieces)
    this.bytesFromBackend += end - start
    if (this.#chunks) for (let i = 0; i < pieces.length; i++) pieces[i] = encodeChunk(pieces[i] as Uint8Array)
    let next = 0
    let room = true
    if (head !== undefined) room = client.write(encodeHead(head, pieces[next++]))
    while (next < pieces.length) room = client.write(pieces[next++] as Uint8Array)
    if (body.failure !== null) {
      this.#fail(
        'BACKEND_RESPONSE_INVALID',
        `the backend's response body is malformed: ${body.failure.reason}`,
      )
    } else if (body.done) {
      this.#finish(connection, end === chunk.length)
    } else {
      connection.setTimeout(this.snapshot.config.timeouts.responseBodyIdle)
      if (!room) connection.socket.pause()
    }
  }

  /** @param clean whether the answer ended exactly where its framing said */
  #finish(connection: BackendConnection, clean: boolean): void {
    if (this.#over) return
    this.#over = true
    this.#count(null)
    const head = this.#responseHead as ResponseHead
    connection.clearTimeout()
    if (!isFaultyStatus(head.status)) this.#context.health.answered(connection.backend)
    // The client may have paused it with the last piece; whoever uses it next expects it to be reading.
    connection.socket.resume()
    if (!clean || this.#requestBody !== null) connection.abort()
    else if (head.keepAlive && connection.socket.queuedBytes === 0)
      this.#context.reuse.keep(connection, this.snapshot.config)
    else connection.finish()
    this.#requester.exchangeDone(this, this.#mayKeepOpen(head))
  }

  #mayKeepOpen(head: ResponseHead): boolean {
    if (!this.head.keepAlive || this.#closeAfter || this.#context.draining) return false
    // An HTTP/1.0 client sees the end of a body without length only by the end of the connection.
    return this.head.minor === 1 || head.framing.kind === 'none' || head.framing.kind === 'length'
  }

  #lost(connection: BackendConnection, error: SocketError | null): void {
    if (this.#over) return
    // A kept connection can die in the moment it is used: that request never reached the backend's program.
    const inTime = this.#context.timers.now() < this.#selection.deadline
    if (connection.reused && inTime && !connection.reader.partial && this.#mayRepeat()) {
      this.#leave(connection)
      this.#startDial(connection.backend)
      return
    }
    const how = error === null ? 'closed the connection' : `broke the connection (${error.code})`
    const when = this.#responseHead === null ? 'before answering' : 'within a response body'
    this.#fail('BACKEND_CLOSED', `the backend ${how} ${when}`)
  }

  /** Whether sending it again does no harm, and the client would not notice. */
  #mayRepeat(): boolean {
    if (this.#responseHead !== null || this.#touched) return false
    return this.#requestBody === null && this.bytesFromClient === 0 && isIdempotent(this.head.method)
  }

  /** Tries another backend, if there is one. */
  #retry(connection: BackendConnection, failure: Failure): boolean {
    if (!isBackendsFault(failure.code) || !this.#mayRepeat()) return false
    const next = this.#selection.another(this.#context.timers.now())
    if (next === null) return false
    logRetry(this.#context, failure, this.requestId, connection.backend, next)
    this.#leave(connection)
    if (!this.reuses(next)) this.#startDial(next)
    return true
  }

  /** Gives a connection up on which nothing came that reached the client. */
  #leave(connection: BackendConnection): void {
    connection.abort()
    this.#connection = null
    this.backend = null
    this.#count(null)
  }

  /**
   * A kept connection that closes in the moment it is used is nobody's fault, a bad status counts once, and a
   * backend may give up a client that does not send what it announced: else clients could eject backends.
   */
  #excusesBackend(code: Failure['code']): boolean {
    if (isFaultyStatus(this.status)) return true
    if (this.#requestBody !== null && isTiredOfWaiting(code)) return true
    return code === 'BACKEND_CLOSED' && this.#responseHead === null && this.#connection?.reused === true
  }

  #fail(code: Failure['code'], message: string): void {
    if (this.#over) return
    const answered = this.#responseHead !== null
    const failure = { code, message }
    const connection = this.#connection
    if (connection !== null) {
      this.#blame(connection.backend, failure, answered)
      if (this.#retry(connection, failure)) return
    }
    this.cancel()
    this.#requester.exchangeFailed(this, failure, answered)
  }

  #blame(backend: Backend, failure: Failure, answered: boolean): void {
    if (this.#excusesBackend(failure.code)) return
    if (!answered && isBackendsFault(failure.code)) {
      const now = this.#context.timers.now()
      backend.failed(Math.max(now - this.startedAt, this.snapshot.config.timeouts.connect), now)
    }
    this.#context.health.requestFailed(backend, failure)
  }

  /** Counts in the load of this backend from now on, and of no other. */
  #count(backend: Backend | null): void {
    this.#counted?.release()
    this.#counted = backend
    backend?.take()
  }
}

const empty = new Uint8Array(0)
