/**
 * A backend as people write them: HTTP and WebSocket on one port.
 *
 *     service-main.ts NAME [PORT]
 *
 * `/` is a page with a chat, `/name` its name, `/bytes?N` so many bytes of the pattern, and what is sent to `/count`
 * is counted. A WebSocket is greeted with the name, and everything is sent back.
 */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { WebSocketServer } from 'ws'
import { PatternReader, patternAt } from './pattern.ts'

const [, , name = 'service', port = '0'] = process.argv

const page = `<!doctype html><title>chat</title><script>
function talk() {
  return new Promise((resolve, reject) => {
    const socket = new WebSocket('ws://' + location.host + '/chat')
    const heard = []
    socket.onmessage = ({ data }) => {
      heard.push(data)
      if (heard.length === 1) socket.send('hello from the page')
      else socket.close(1000, 'done')
    }
    socket.onclose = ({ code }) => resolve([...heard, code])
    socket.onerror = reject
  })
}
</script>`

const server = createServer((request, response) => {
  const [path, count] = (request.url ?? '').split('?')
  if (path === '/name') response.end(name)
  else if (path === '/bytes') stream(response, Number(count))
  else if (path === '/count') countBytes(request, response)
  else response.setHeader('Content-Type', 'text/html').end(page)
})

function stream(response: ServerResponse, length: number): void {
  response.setHeader('Content-Length', length)
  let sent = 0
  const more = () => {
    while (sent < length) {
      const chunk = patternAt(sent, length - sent)
      sent += chunk.length
      if (!response.write(chunk)) {
        response.once('drain', more)
        return
      }
    }
    response.end()
  }
  more()
}

function countBytes(request: IncomingMessage, response: ServerResponse): void {
  const reader = new PatternReader()
  request.on('data', (chunk: Buffer) => reader.read(chunk))
  request.on('end', () => response.end(`${request.method} ${reader.bytes} ${reader.intact}`))
}

const sockets = new WebSocketServer({ server })
sockets.on('connection', (socket) => {
  socket.send(name)
  socket.on('message', (data, isBinary) => socket.send(data, { binary: isBinary }))
})

server.listen(Number(port), '127.0.0.1', () => {
  console.log(`port ${(server.address() as AddressInfo).port}`)
})
