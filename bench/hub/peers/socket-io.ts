/** Socket.IO over WebSockets alone, with its Redis adapter where the URL of a Redis server follows. */
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { createAdapter } from '@socket.io/redis-adapter'
import { createClient } from 'redis'
import { Server } from 'socket.io'
import { publicationOf, roleOf, room, serve } from '../roles.ts'

const hour = 3_600_000
const [redisUrl] = process.argv.slice(2)
const http = createServer()
const server = new Server(http, {
  transports: ['websocket'],
  perMessageDeflate: false,
  httpCompression: false,
  serveClient: false,
  // Its heartbeat is the server's ping in a message; the load generator does not answer it.
  pingInterval: hour,
  pingTimeout: hour,
})

server.on('connection', (socket) => {
  const role = roleOf(socket.handshake.url)
  if (role === 'member') void socket.join(room)
  else if (role === 'publisher') {
    socket.on('message', (message: string) => {
      const { times, text } = publicationOf(message)
      for (let i = 0; i < times; i++) server.to(room).emit('message', text)
    })
  } else socket.on('message', (message: string) => socket.emit('message', message))
})

if (redisUrl !== undefined) {
  const publisher = createClient({ url: redisUrl })
  const subscriber = publisher.duplicate()
  for (const client of [publisher, subscriber]) {
    client.on('error', (error: Error) => console.error(error.message))
    await client.connect()
  }
  server.adapter(createAdapter(publisher, subscriber))
}
http.listen(0, '127.0.0.1', 4096, () => serve((http.address() as AddressInfo).port))
