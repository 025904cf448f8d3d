/** The relay one writes by hand: a `ws` server with one `ws` client per connection, message by message. */
import { WebSocket, WebSocketServer } from 'ws'

const [port, backendPort] = process.argv.slice(2).map(Number)
const server = new WebSocketServer({
  host: '127.0.0.1',
  port: port!,
  backlog: 4096,
  perMessageDeflate: false,
})
server.on('connection', (client) => {
  const backend = new WebSocket(`ws://127.0.0.1:${backendPort}/bench`, { perMessageDeflate: false })
  const early: Buffer[] = []
  client.on('message', (data: Buffer) => {
    if (backend.readyState === WebSocket.OPEN) backend.send(data)
    else early.push(data)
  })
  backend.on('open', () => {
    for (const data of early.splice(0)) backend.send(data)
  })
  backend.on('message', (data: Buffer) => client.send(data))
  client.on('close', () => backend.close())
  backend.on('close', () => client.close())
  client.on('error', () => backend.terminate())
  backend.on('error', () => client.terminate())
})
process.stdin.on('end', () => process.exit(0)).resume()
