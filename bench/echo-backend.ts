/**
 * The backend of every measurement, in its own process on Bun's raw sockets so that it costs as little as it can.
 * It answers requests with a small fixed response and echoes WebSocket messages. Prints its port as one JSON line;
 * ends when its standard input ends, so that it never outlives the bench.
 */
import type { Socket } from 'bun'
import { EchoStream } from './echo-stream.ts'
import { acceptFor } from './frames.ts'

const body = `${'Fairlead bench. '.repeat(6)}end\n`
const response = Buffer.from(
  `HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: ${body.length}\r\n\r\n${body}`,
)
const badRequest = Buffer.from('HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n')
const headLimit = 16 * 1024

class BackendConnection {
  #head: Buffer | null = null
  #echo: EchoStream | null = null
  #unsent: Uint8Array[] = []
  #ending = false

  receive(socket: Socket<BackendConnection>, chunk: Buffer): void {
    if (this.#ending) return
    if (this.#echo === null) this.#readHeads(socket, chunk)
    else this.#echoBytes(socket, this.#echo, chunk)
  }

  drain(socket: Socket<BackendConnection>): void {
    const queue = this.#unsent
    this.#unsent = []
    for (const bytes of queue) this.#send(socket, bytes)
    if (this.#unsent.length > 0) return
    if (this.#ending) socket.end()
    else if (queue.length > 0) socket.resume()
  }

  #readHeads(socket: Socket<BackendConnection>, chunk: Buffer): void {
    let rest = this.#head === null ? chunk : Buffer.concat([this.#head, chunk])
    this.#head = null
    while (rest.length > 0) {
      const end = rest.indexOf('\r\n\r\n')
      if (end < 0) {
        if (rest.length > headLimit) this.#end(socket, badRequest)
        else this.#head = rest
        return
      }
      const head = rest.toString('latin1', 0, end)
      rest = rest.subarray(end + 4)
      const key = /\r\nsec-websocket-key:[ \t]*(\S+)/i.exec(head)?.[1]
      if (key !== undefined) {
        this.#upgrade(socket, key, rest)
        return
      }
      this.#send(socket, response)
    }
  }

  #upgrade(socket: Socket<BackendConnection>, key: string, rest: Buffer): void {
    this.#echo = new EchoStream()
    const accept = `HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${acceptFor(key)}\r\n\r\n`
    this.#send(socket, Buffer.from(accept, 'latin1'))
    if (rest.length > 0) this.#echoBytes(socket, this.#echo, rest)
  }

  #echoBytes(socket: Socket<BackendConnection>, echo: EchoStream, chunk: Buffer): void {
    const bytes = echo.turn(chunk)
    if (echo.closed) this.#end(socket, bytes)
    else if (bytes.length > 0) this.#send(socket, bytes)
  }

  #send(socket: Socket<BackendConnection>, bytes: Uint8Array): void {
    if (this.#unsent.length > 0) {
      this.#unsent.push(bytes)
      return
    }
    const taken = socket.write(bytes)
    // -1 is a dead socket; its close callback follows.
    if (taken < 0 || taken === bytes.length) return
    this.#unsent.push(bytes.subarray(taken))
    socket.pause()
  }

  #end(socket: Socket<BackendConnection>, last: Uint8Array): void {
    this.#ending = true
    this.#send(socket, last)
    // `end` is close(2) and drops what the kernel has not taken, so it waits for the drain.
    if (this.#unsent.length === 0) socket.end()
  }
}

const listener = Bun.listen<BackendConnection>({
  hostname: '127.0.0.1',
  port: 0,
  socket: {
    open(socket) {
      socket.data = new BackendConnection()
      socket.setNoDelay(true)
    },
    data(socket, chunk) {
      socket.data.receive(socket, chunk)
    },
    drain(socket) {
      socket.data.drain(socket)
    },
    error(_socket, error) {
      throw error
    },
  },
})
process.stdin.on('end', () => process.exit(0)).resume()
console.log(JSON.stringify({ port: listener.port }))
