import { createServer } from 'node:http'
import { WebSocketServer } from 'ws'
import { publicationOf, roleOf, serve } from '../roles.ts'
const { WriteWrap } = (process as any).binding('stream_wrap')
const shared = new WriteWrap()
const members = new Set<any>()
const mode = process.env.MODE
const server = createServer()
const sockets = new WebSocketServer({ server, perMessageDeflate: false })
function publish(message: string): void {
  const { times, text } = publicationOf(message)
  const b = Buffer.from(text)
  const f = Buffer.concat([Buffer.from([0x81, b.length]), b])
  for (let i = 0; i < times; i++) {
    if (mode === 'socket') for (const m of members) m.write(f)
    else for (const m of members) m.writeBuffer(shared, f)
  }
}
sockets.on('connection', (socket: any, request: any) => {
  const role = roleOf(request.url ?? '')
  if (role === 'member') {
    const h = mode === 'socket' ? socket._socket : socket._socket._handle
    members.add(h)
    socket.on('close', () => members.delete(h))
  } else socket.on('message', (data: any) => publish(data.toString()))
})
server.listen(0, '127.0.0.1', 4096, () => serve((server.address() as any).port))
