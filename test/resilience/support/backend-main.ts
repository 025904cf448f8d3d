/**
 * A WebSocket server made of bare sockets, so that thousands of tunnels cost little: it greets everybody with its
 * name, and answers a Close.
 *
 *     backend-main.ts NAME
 */
import { createHash } from 'node:crypto'
import { type AddressInfo, createServer, type Socket } from 'node:net'
import { answerAll } from './answering.ts'
import { Closing } from './closing.ts'

export interface BackendCommand {
  /** Its port, or how many tunnels it has. */
  readonly do: 'port' | 'live'
}

const name = process.argv[2] ?? ''
const greeting = Buffer.from([0x81, name.length, ...Buffer.from(name)])
const live = new Set<Socket>()

function serve(socket: Socket): void {
  const closing = new Closing()
  let head = ''
  socket.setNoDelay(true)
  socket.on('data', (chunk: Buffer) => {
    if (!live.has(socket)) {
      head += chunk.toString('latin1')
      const end = head.indexOf('\r\n\r\n')
      if (end !== -1) greet(socket, head.slice(0, end))
      return
    }
    const code = closing.read(chunk)
    if (code === null) return
    live.delete(socket)
    socket.end(Buffer.from([0x88, 2, code >> 8, code & 255]))
  })
  socket.on('end', () => socket.end())
  socket.on('error', () => {})
  socket.on('close', () => live.delete(socket))
}

function greet(socket: Socket, head: string): void {
  const key = /\r\nsec-websocket-key:[ \t]*(\S+)/i.exec(head)?.[1] ?? ''
  const accept = createHash('sha1').update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest('base64')
  live.add(socket)
  socket.write(
    `HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${accept}\r\n\r\n`,
  )
  socket.write(greeting)
}

const server = createServer({ allowHalfOpen: true }, serve)
const listening = new Promise<void>((resolve) => {
  server.listen({ port: 0, host: '127.0.0.1', backlog: 4096 }, resolve)
})

await answerAll(async (command: BackendCommand) => {
  await listening
  return command.do === 'port' ? (server.address() as AddressInfo).port : live.size
})
