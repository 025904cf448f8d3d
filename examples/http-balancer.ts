/**
 * Three HTTP services behind a balancer. `large` has weight 2, so it answers every second request.
 *
 *     node examples/http-balancer.ts [port]        or: bun examples/http-balancer.ts [port]
 *     curl http://127.0.0.1:8080/hello
 */
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { createGateway } from '../src/index.ts' // in a project of your own: 'fairlead'

async function startService(name: string): Promise<{ address: string; close(): void }> {
  const server = createServer((request, response) => {
    const client = request.headers['x-forwarded-for']
    response.setHeader('content-type', 'text/plain')
    response.end(`${name} answers ${request.method} ${request.url} for ${client}\n`)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  return { address: `127.0.0.1:${port}`, close: () => server.close() }
}

const [large, small, tiny] = await Promise.all([
  startService('large'),
  startService('small'),
  startService('tiny'),
])

const gateway = createGateway({
  listen: [{ host: '127.0.0.1', port: Number(process.argv[2] ?? 8080) }],
  pools: { web: { backends: [{ address: large.address, weight: 2 }, small.address, tiny.address] } },
  routes: [{ pool: 'web' }],
})
await gateway.start()

console.error(`Services: large ${large.address} (weight 2), small ${small.address}, tiny ${tiny.address}.`)
console.error(`Try: curl http://127.0.0.1:${gateway.listeners[0]?.port}/hello. Ctrl-C ends it.`)

await once(process, 'SIGINT')
await gateway.drain(2000) // answers what was asked, takes nothing new
await gateway.close()
for (const service of [large, small, tiny]) service.close()
for (const { address, requests } of gateway.backends) console.error(`${address} had ${requests} requests.`)
