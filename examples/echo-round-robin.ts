/**
 * Three WebSocket echo servers and a round-robin balancer in front of them.
 *
 *     node examples/echo-round-robin.ts [port]     or: bun examples/echo-round-robin.ts [port]
 *     npx wscat -c ws://127.0.0.1:8080             each new connection reaches the next server
 */
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { WebSocketServer } from 'ws'
import { createGateway } from '../src/index.ts' // in a project of your own: 'fairlead'

async function startEchoServer(name: string): Promise<{ address: string; close(): void }> {
  const server = new WebSocketServer({ host: '127.0.0.1', port: 0 })
  server.on('connection', (socket) => {
    socket.on('error', console.error)
    socket.on('message', (data) => socket.send(`${name}: ${data}`))
  })
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  return { address: `127.0.0.1:${port}`, close: () => server.close() }
}

const servers = await Promise.all(['one', 'two', 'three'].map(startEchoServer))

const gateway = createGateway({
  listen: [{ host: '127.0.0.1', port: Number(process.argv[2] ?? 8080) }],
  pools: { echo: { policy: 'round-robin', backends: servers.map(({ address }) => address) } },
  routes: [{ pool: 'echo' }],
})
await gateway.start()

console.error(`Three echo servers: ${servers.map(({ address }) => address).join(', ')}.`)
console.error(`Connect to ws://127.0.0.1:${gateway.listeners[0]?.port} and say something. Ctrl-C ends it.`)

await once(process, 'SIGINT')
await gateway.drain(2000) // says goodbye to every client (Close 1001) and waits for their answers
await gateway.close()
for (const server of servers) server.close()
for (const { address, requests } of gateway.backends) console.error(`${address} had ${requests} connections.`)
