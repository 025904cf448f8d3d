import { acceptFor, handshakeKey } from '../frames.ts'
import { Connection } from './connection.ts'

/** The bytes that ask for a WebSocket at a path, query included. */
export function upgradeRequest(path: string): Uint8Array {
  return Buffer.from(
    `GET ${path} HTTP/1.1\r\nHost: bench.test\r\nUser-Agent: fairlead-bench\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: ${handshakeKey}\r\n\r\n`,
  )
}

const benchRequest = upgradeRequest('/bench')
const accept = acceptFor(handshakeKey)

/** A connection that asks for an upgrade, checks the answer, and from then on carries WebSocket bytes. */
export abstract class Tunnel extends Connection {
  readonly #request: Uint8Array
  #head: Buffer | null = Buffer.alloc(0)

  constructor(request = benchRequest) {
    super()
    this.#request = request
  }

  protected abstract established(): void
  /** Bytes after the 101. */
  protected abstract echoed(chunk: Buffer): void

  protected override opened(): void {
    this.send(this.#request)
  }

  protected override received(chunk: Buffer): void {
    if (this.#head === null) this.echoed(chunk)
    else this.#readHead(Buffer.concat([this.#head, chunk]))
  }

  #readHead(head: Buffer): void {
    const end = head.indexOf('\r\n\r\n')
    this.#head = head
    if (end < 0) return
    const text = head.toString('latin1', 0, end)
    if (!text.startsWith('HTTP/1.1 101 ') || !text.includes(accept)) {
      throw new Error(`the upgrade was answered with ${JSON.stringify(text.slice(0, 200))}`)
    }
    this.#head = null
    this.established()
    if (head.length > end + 4) this.echoed(head.subarray(end + 4))
  }
}
