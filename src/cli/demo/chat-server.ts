import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { type RawData, WebSocket, WebSocketServer } from 'ws'

export interface ChatServerOptions {
  /** What the server calls itself; clients see it in their welcome message. */
  readonly name: string
  readonly ports: PortRange
}

/** Ports to try, from the first to the last; the first free one is taken. */
export interface PortRange {
  readonly first: number
  readonly last: number
}

export interface ChatServer {
  readonly port: number
  close(): Promise<void>
}

/** What a chat server sends to its clients, as JSON text. */
export type ChatMessage =
  | { readonly type: 'welcome'; readonly server: string; readonly pid: number; readonly clients: number }
  | { readonly type: 'chat'; readonly server: string; readonly from: string; readonly text: string }

const longestMessage = 1024
/** A client that lets more than this pile up has stopped reading; it is cut, the others go on. */
const longestQueue = 1024 * 1024

/**
 * One ordinary chat server. It knows nothing of the gateway in front of it, and nothing of its sisters: what
 * a client says is heard by the clients of this server only.
 */
export async function startChatServer({ name, ports }: ChatServerOptions): Promise<ChatServer> {
  let requests = 0
  const http = createServer((request, response) => {
    requests += 1
    answer(
      request,
      response,
      `Hello from ${name} (process ${process.pid}). Request ${requests} to this server.\n`,
    )
  })
  const sockets = new WebSocketServer({ server: http, maxPayload: longestMessage })
  // Errors of the HTTP server come through here too; `listenOn` reports those that matter.
  sockets.on('error', () => {})
  let joined = 0
  sockets.on('connection', (socket, request) => {
    joined += 1
    join(sockets, socket, name, visitorName(request, joined))
  })
  const port = await listenOn(http, ports)
  return {
    port,
    close() {
      for (const socket of sockets.clients) socket.terminate()
      sockets.close()
      return new Promise((resolve) => http.close(() => resolve()))
    },
  }
}

function join(sockets: WebSocketServer, socket: WebSocket, server: string, from: string): void {
  // A client that breaks the protocol or sends too much is closed by `ws` itself.
  socket.on('error', () => {})
  send(socket, { type: 'welcome', server, pid: process.pid, clients: sockets.clients.size })
  socket.on('message', (data: RawData, isBinary: boolean) => {
    if (isBinary) return
    const message: ChatMessage = { type: 'chat', server, from, text: data.toString() }
    for (const listener of sockets.clients) send(listener, message)
  })
}

function send(socket: WebSocket, message: ChatMessage): void {
  if (socket.readyState !== WebSocket.OPEN) return
  if (socket.bufferedAmount > longestQueue) socket.terminate()
  else socket.send(JSON.stringify(message))
}

/** `/chat?name=Ada` says who is coming; without it, visitors are numbered. */
function visitorName(request: IncomingMessage, number: number): string {
  const query = new URLSearchParams((request.url ?? '').split('?')[1])
  return query.get('name')?.trim().slice(0, 40) || `visitor ${number}`
}

function answer(request: IncomingMessage, response: ServerResponse, text: string): void {
  const known = request.method === 'GET' || request.method === 'HEAD'
  response.writeHead(known ? 200 : 405, {
    'content-type': 'text/plain; charset=utf-8',
    'cache-control': 'no-store',
    ...(known ? {} : { allow: 'GET, HEAD' }),
  })
  response.end(known ? text : 'GET and HEAD only\n')
}

async function listenOn(http: ReturnType<typeof createServer>, { first, last }: PortRange): Promise<number> {
  for (let port = first; ; port += 1) {
    try {
      await new Promise<void>((resolve, reject) => {
        http.once('error', reject)
        http.listen(port, '127.0.0.1', () => {
          http.off('error', reject)
          resolve()
        })
      })
      return (http.address() as AddressInfo).port
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EADDRINUSE' || port >= last) throw error
    }
  }
}
