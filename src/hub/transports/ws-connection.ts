import type { Duplex } from 'node:stream'
import { getSystemErrorName } from 'node:util'
import { WebSocket } from 'ws'
import type { Batch } from '../batch.ts'
import type { TransportConnection, TransportOwner } from '../transport.ts'
import { type StreamHandle, type StreamWriter, writeTo } from './stream-handle.ts'

/** More than that is written frame by frame, unless they are small: joining it would copy more than a write costs. */
const joinAtMost = 256 * 1024
const joinSmall = 16 * 1024

/** Messages of at least so many bytes are compressed, where compression was agreed on. */
const compressFrom = 1024

/** The `ws` package's WebSocket, with a field for ours, so that listeners are functions and not closures. */
export class HubWebSocket extends WebSocket {
  connection: WsConnection | null = null
}

/**
 * A connection of the `ws` package. `ws` reads; what is sent is written to the socket as frames that were made once
 * for everybody, which is what makes a broadcast cheap, and past its stream where that can be. Only where compression
 * was agreed on `ws` writes messages, too.
 */
export class WsConnection implements TransportConnection, StreamWriter {
  readonly #webSocket: HubWebSocket
  readonly #socket: Duplex
  readonly #owner: TransportOwner
  readonly #compressed: boolean
  /** Null: what is sent goes through the stream. Pings, pongs and Close always do, and stay behind what was sent. */
  readonly #handle: StreamHandle | null
  /** `send` has said false, and `drained` is owed. */
  #behind = false
  /** Batches that `ws` has not written yet, or writes that the handle has not. */
  #unwritten = 0
  #closing = false
  /** The code of the Close that `ws` itself sent because of a mistake of the peer. */
  #mistake = 0

  /** @param handle to write past the stream; null to write through it */
  constructor(webSocket: HubWebSocket, socket: Duplex, handle: StreamHandle | null, owner: TransportOwner) {
    this.#webSocket = webSocket
    this.#socket = socket
    this.#owner = owner
    this.#compressed = webSocket.extensions !== ''
    this.#handle = this.#compressed ? null : handle
    webSocket.connection = this
    webSocket.on('message', onMessage)
    webSocket.on('pong', onPong)
    webSocket.on('error', onError)
    webSocket.on('close', onClose)
    owner.opened(this)
  }

  get queuedBytes(): number {
    const queued = this.#webSocket.bufferedAmount
    return this.#handle === null || this.#unwritten === 0 ? queued : queued + this.#handle.writeQueueSize
  }

  send(batch: Batch): boolean {
    if (this.#closing || this.#webSocket.readyState !== WebSocket.OPEN) return true
    if (this.#handle !== null) return this.#sendPast(this.#handle, batch)
    const ready = this.#compressed ? this.#sendEach(batch) : this.#write(batch)
    if (ready || this.#behind) return ready
    this.#behind = true
    if (!this.#compressed) this.#socket.once('drain', () => this.#drained())
    return false
  }

  ping(): void {
    if (this.#webSocket.readyState === WebSocket.OPEN) this.#webSocket.ping()
  }

  pause(): void {
    if (!this.#closing) this.#webSocket.pause()
  }

  resume(): void {
    this.#webSocket.resume()
  }

  close(code: number, reason: string): void {
    if (this.#closing) return
    this.#closing = true
    this.#webSocket.close(code, reason)
    this.#webSocket.resume()
  }

  terminate(): void {
    this.#closing = true
    this.#webSocket.terminate()
  }

  received(data: Buffer, isBinary: boolean): void {
    if (!this.#closing) this.#owner.message(isBinary ? data : data.toString())
  }

  ponged(): void {
    this.#owner.pong()
  }

  failed(error: Error & { readonly code?: string }): void {
    this.#mistake = closeCodeOf(error)
  }

  written(status: number): void {
    this.#unwritten--
    if (status < 0) this.#fail(status)
    else if (this.#unwritten === 0) this.#drained()
  }

  ended(code: number, reason: Buffer): void {
    this.#closing = true
    this.#behind = false
    const mistake = code === 1006 ? this.#mistake : 0
    this.#owner.closed(mistake || code, reason.toString())
  }

  #sendPast(handle: StreamHandle, batch: Batch): boolean {
    if (isJoined(batch)) this.#hand(handle, batch.frames())
    else for (const message of batch.messages()) this.#hand(handle, message.frame())
    if (this.#unwritten === 0 || handle.writeQueueSize <= this.#socket.writableHighWaterMark) return true
    this.#behind = true
    return false
  }

  #hand(handle: StreamHandle, bytes: Uint8Array): void {
    const status = writeTo(handle, bytes, this)
    if (status > 0) this.#unwritten++
    else if (status < 0) this.#fail(status)
  }

  #fail(status: number): void {
    if (this.#socket.destroyed) return
    const code = getSystemErrorName(status)
    this.#socket.destroy(Object.assign(new Error(`write ${code}`), { code }))
  }

  #write(batch: Batch): boolean {
    const socket = this.#socket
    if (isJoined(batch)) return socket.write(batch.frames())
    socket.cork()
    let ready = true
    for (const message of batch.messages()) ready = socket.write(message.frame())
    socket.uncork()
    return ready
  }

  /** Through `ws`, which compresses one message after the other in another thread. */
  #sendEach(batch: Batch): boolean {
    const webSocket = this.#webSocket
    const last = batch.last
    this.#unwritten++
    for (const message of batch.messages()) {
      const { data, size } = message
      const done = message === last ? (error?: Error | null) => this.#sent(error) : undefined
      webSocket.send(data, { binary: typeof data !== 'string', compress: size >= compressFrom }, done)
    }
    return webSocket.bufferedAmount <= this.#socket.writableHighWaterMark
  }

  #sent(error?: Error | null): void {
    // Not when nothing is buffered: pongs may be, behind the last batch, and nothing more would be told then.
    if (--this.#unwritten === 0 && !error) this.#drained()
  }

  #drained(): void {
    if (!this.#behind) return
    this.#behind = false
    if (!this.#closing) this.#owner.drained()
  }
}

function isJoined({ before, bytes, count }: Batch): boolean {
  return before === null || bytes <= joinAtMost || bytes < count * joinSmall
}

function onMessage(this: WebSocket, data: Buffer, isBinary: boolean): void {
  ;(this as HubWebSocket).connection?.received(data, isBinary)
}

function onPong(this: WebSocket): void {
  ;(this as HubWebSocket).connection?.ponged()
}

function onError(this: WebSocket, error: Error): void {
  ;(this as HubWebSocket).connection?.failed(error)
}

function onClose(this: WebSocket, code: number, reason: Buffer): void {
  ;(this as HubWebSocket).connection?.ended(code, reason)
}

/** What `ws` has told the peer: its own codes are not public. Other errors are those of the socket. */
function closeCodeOf({ code = '' }: { readonly code?: string }): number {
  if (code === 'WS_ERR_UNSUPPORTED_MESSAGE_LENGTH' || code === 'WS_ERR_UNSUPPORTED_DATA_PAYLOAD_LENGTH')
    return 1009
  if (code === 'WS_ERR_INVALID_UTF8') return 1007
  if (code.startsWith('WS_ERR_TOO_MANY')) return 1008
  return code.startsWith('WS_ERR_') ? 1002 : 0
}
