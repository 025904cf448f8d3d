/** Puts a hub behind the server of whichever runtime this is: `node:http` on Node, `Bun.serve` on Bun. */
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Hub } from '../../src/hub.ts' // in a project of your own: 'fairlead/hub'

type Served = Pick<Hub<unknown>, 'start' | 'attach' | 'fetch' | 'websocket' | 'close'>

/** Serves until Ctrl-C, with the port from the command line. */
export async function serve(hub: Served, hint: string): Promise<void> {
  if (!(await hub.start())) console.error('The broker is away: this server is alone until it is back.')
  const server = await listen(hub, Number(process.argv[2] ?? 8080))
  console.error(`Connect to ws://127.0.0.1:${server.port}${hint} Ctrl-C ends it.`)
  await once(process, 'SIGINT')
  await hub.close() // says goodbye to every client (Close 1001) and waits for their answers
  server.stop()
}

async function listen(hub: Served, port: number): Promise<{ port: number; stop(): void }> {
  if ('Bun' in globalThis) {
    const { fetch, websocket } = hub
    const server = Bun.serve({ hostname: '127.0.0.1', port, fetch, websocket } as never)
    return { port: server.port as number, stop: () => void server.stop(true) }
  }
  const server = createServer((_, response) => response.writeHead(426).end())
  hub.attach(server)
  server.listen(port, '127.0.0.1')
  await once(server, 'listening')
  return { port: (server.address() as AddressInfo).port, stop: () => server.close() }
}
