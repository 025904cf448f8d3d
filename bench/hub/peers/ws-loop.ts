/** The `ws` package as one uses it by hand: a set of members, and a loop of `send`. */
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { WebSocket, WebSocketServer } from 'ws'
import { publicationOf, roleOf, serve } from '../roles.ts'

const members = new Set<WebSocket>()
const server = createServer()
const sockets = new WebSocketServer({ server, perMessageDeflate: false })

function publish(message: string): void {
  const { times, text } = publicationOf(message)
  // As bytes, which is cheaper with `ws` than text that is encoded for each member.
  const bytes = Buffer.from(text)
  for (let i = 0; i < times; i++) {
    for (const member of members) {
      if (member.readyState === WebSocket.OPEN) member.send(bytes, { binary: false })
    }
  }
}

sockets.on('connection', (socket, request) => {
  const role = roleOf(request.url ?? '')
  if (role === 'member') {
    members.add(socket)
    socket.on('close', () => members.delete(socket))
  } else if (role === 'publisher') {
    socket.on('message', (data) => publish(data.toString()))
  } else {
    socket.on('message', (data, isBinary) => socket.send(data as Buffer, { binary: isBinary }))
  }
  socket.on('error', () => socket.terminate())
})
server.listen(0, '127.0.0.1', 4096, () => serve((server.address() as AddressInfo).port))
