import type { Duplex } from 'node:stream'
import { WebSocket } from 'ws'
import type { Batch } from '../batch.ts'
import type { TransportConnection, TransportOwner } from '../transport.ts'

/** A batch beyond this is written frame by frame: joining it would copy more than a system call costs. */
const joinAtMost = 256 * 1024

/** Messages of at least so many bytes are compressed, where compression was agreed on. */
const compressFrom = 1024

/** The `ws` package's WebSocket, with a field for ours, so that listeners are functions and not closures. */
export class HubWebSocket extends WebSocket {
  connection: WsConnection | null = null
}

/**
 * A connection of the `ws` package. `ws` reads; what is sent is written to the socket as frames that were made once
 * for everybody, which is what makes a broadcast cheap. Only where compression was agreed on `ws` writes, too.
 */
export class WsConnection implements TransportConnection {
  readonly #webSocket: HubWebSocket
  readonly #socket: Duplex
  readonly #owner: TransportOwner
  readonly #compressed: boolean
  /** `send` has said false, and `drained` is owed. */
  #behind = false
  /** Batches that `ws` has not written yet. */
  #unwritten = 0
  #closing = false
  /** The code of the Close that `ws` itself sent because of a mistake of the peer. */
  #mistake = 0

  constructor(webSocket: HubWebSocket, socket: Duplex, owner: TransportOwner) {
    this.#webSocket = webSocket
    this.#socket = socket
    this.#owner = owner
    this.#compressed = webSocket.extensions !== ''
    webSocket.connection = this
    webSocket.on('message', onMessage)
    webSocket.on('pong', onPong)
    webSocket.on('error', onError)
    webSocket.on('close', onClose)
    owner.opened(this)
  }

  get queuedBytes(): number {
    return this.#webSocket.bufferedAmount
  }

  send(batch: Batch): boolean {
    if (this.#closing || this.#webSocket.readyState !== WebSocket.OPEN) return true
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

  ended(code: number, reason: Buffer): void {
    this.#closing = true
    this.#behind = false
    const mistake = code === 1006 ? this.#mistake : 0
    this.#owner.closed(mistake || code, reason.toString())
  }

  #write(batch: Batch): boolean {
    const socket = this.#socket
    if (batch.before === null || batch.bytes <= joinAtMost) return socket.write(batch.frames())
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
