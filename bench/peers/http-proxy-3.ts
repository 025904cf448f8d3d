/** http-proxy-3 as its users run it in front of one server, with an agent that keeps connections to the backend. */
import { Agent, createServer } from 'node:http'
import { createProxyServer } from 'http-proxy-3'

const [port, backendPort] = process.argv.slice(2).map(Number)
const proxy = createProxyServer({
  target: { host: '127.0.0.1', port: backendPort! },
  xfwd: true,
  ...(process.env.BENCH_AGENT === 'none' ? {} : { agent: new Agent({ keepAlive: true }) }),
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
