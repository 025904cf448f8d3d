/** Bun's own server with its own topics, written in C++: nothing in JavaScript happens for a delivery. */
import { publicationOf, type Role, roleOf, room, serve } from '../roles.ts'

const server = Bun.serve<{ readonly role: Role }>({
  hostname: '127.0.0.1',
  port: 0,
  fetch(request, server) {
    if (server.upgrade(request, { data: { role: roleOf(request.url) } })) return
    return new Response('this is a WebSocket server', { status: 426 })
  },
  websocket: {
    perMessageDeflate: false,
    open(socket) {
      if (socket.data.role === 'member') socket.subscribe(room)
    },
    message(socket, data) {
      if (socket.data.role !== 'publisher') {
        socket.send(data)
        return
      }
      const { times, text } = publicationOf(data.toString())
      for (let i = 0; i < times; i++) server.publish(room, text)
    },
  },
})
serve(server.port as number)
