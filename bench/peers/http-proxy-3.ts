/**
 * http-proxy-3 in front of one server. The third argument `keep-alive` gives it an agent that keeps connections to the
 * backend; without one it opens a connection for each request, which is its default.
 */
import { Agent, createServer } from 'node:http'
import { createProxyServer } from 'http-proxy-3'

const [port, backendPort] = process.argv.slice(2, 4).map(Number)
const proxy = createProxyServer({
  target: { host: '127.0.0.1', port: backendPort! },
  xfwd: true,
  ...(process.argv[4] === 'keep-alive' && { agent: new Agent({ keepAlive: true }) }),
})
// A reset by the load generator at the end of a measurement must not end the proxy.
proxy.on('error', () => {})
const server = createServer((request, response) => {
  proxy.web(request, response)
})
server.on('upgrade', (request, socket, head) => {
  proxy.ws(request, socket, head)
})
server.keepAliveTimeout = 3_600_000
server.maxRequestsPerSocket = 0
server.listen({ host: '127.0.0.1', port, backlog: 4096 })
process.stdin.on('end', () => process.exit(0)).resume()
