import { networkInterfaces } from 'node:os'
import { createGateway } from '../../config/create-gateway.ts'
import { FairleadError } from '../../core/errors.ts'
import type { Gateway } from '../../gateway/gateway.ts'
import { runtimeLine } from '../banner.ts'
import { type ChatServerProcess, chatServerProcess } from './chat-server-process.ts'
import { type ControlAction, type PageServer, startPageServer } from './page-server.ts'

export interface DemoOptions {
  /** Port of the gateway. Without it 8080, or any free port when that one is busy; 0 takes any free port. */
  readonly port?: number | undefined
  /** IP address the gateway binds. Everything else of the demo stays on loopback. @default '127.0.0.1' */
  readonly host?: string | undefined
}

const serverNames = ['Amber', 'Teal', 'Violet'] as const
const usualPort = 8080
/** How long live connections get to say goodbye when the demo ends, in milliseconds. */
const patience = 500
/** A second signal within this many milliseconds is the first one's echo: npm forwards what a terminal sends. */
const echo = 1000
/**
 * Where the chat servers look for a free port. Below the range from which the kernel takes ports for outgoing
 * connections, so that a stopped server's port stays free until it starts again.
 */
const chatPorts = { first: 8081, last: 8999 }

/**
 * Runs the demo until SIGINT, SIGTERM or SIGHUP: three chat servers in processes of their own and a page, all
 * behind one gateway. Resolves when everything it started has ended.
 * @throws {FairleadError} LISTEN_ADDRESS_IN_USE when the port that was asked for is busy
 */
export async function runDemo({ port, host = '127.0.0.1' }: DemoOptions): Promise<void> {
  const stopped = stopSignal()
  // What was opened last ends first. (`await using` would do this, but Node 22 does not know it.)
  const closers: (() => Promise<void>)[] = []
  try {
    const gateway = await start(host, port, closers)
    process.stdout.write(`${introduction(gateway, host, port).join('\n')}\n`)
    await stopped
    process.stdout.write('\nStopping.\n')
  } finally {
    for (const close of closers.reverse()) await close()
  }
}

async function start(
  host: string,
  port: number | undefined,
  closers: (() => Promise<void>)[],
): Promise<Gateway> {
  let page: PageServer | undefined
  let gateway: Gateway | undefined
  const servers = serverNames.map((name) => chatServerProcess(name, chatPorts, () => page?.publish()))
  for (const server of servers) {
    closers.push(() => server.kill())
    // One after the other, so that each finds the next free port.
    await server.start()
  }
  const pageServer = await startPageServer({
    snapshot: () => snapshot(servers, gateway),
    control: (name, action) => control(servers, name, action),
  })
  page = pageServer
  const started = await startGateway(servers, page.port, host, port).catch(async (error: unknown) => {
    await pageServer.close()
    throw error
  })
  gateway = started
  closers.push(async () => {
    const drained = started.drain(patience)
    // Ends the live numbers of open pages: the gateway waits for what is under way.
    await pageServer.close()
    await drained
    await started.close()
  })
  return started
}

async function startGateway(
  servers: readonly ChatServerProcess[],
  pagePort: number,
  host: string,
  port: number | undefined,
): Promise<Gateway> {
  const listenOn = async (candidate: number) => {
    const gateway = createGateway({
      listen: [{ host, port: candidate }],
      pools: {
        chat: {
          policy: 'round-robin',
          backends: servers.map(({ address }) => address),
          // Whoever presses Start wants to see clients land there now, not after the usual caution.
          ejection: { failures: 0 },
          slowStart: { from: 100 },
        },
        page: { backends: [`127.0.0.1:${pagePort}`] },
      },
      routes: [{ match: { path: '/chat' }, pool: 'chat' }, { pool: 'page' }],
      // A killed server is this demo's daily bread, not worth a warning each time.
      log: { level: 'error' },
    })
    await gateway.start()
    return gateway
  }
  try {
    return await listenOn(port ?? usualPort)
  } catch (error) {
    const busy = error instanceof FairleadError && error.code === 'LISTEN_ADDRESS_IN_USE'
    if (!busy || port !== undefined) throw error
    return listenOn(0)
  }
}

/** What the page shows; rates are for it to take from two of these. */
function snapshot(servers: readonly ChatServerProcess[], gateway: Gateway | undefined): object {
  const backends = gateway?.backends ?? []
  return {
    at: performance.now(),
    runtime: runtimeName(),
    servers: servers.map(({ name, state, pid, address }) => {
      const backend = backends.find((one) => one.pool === 'chat' && one.address === address)
      return {
        name,
        state,
        pid: pid ?? 0,
        address,
        connections: backend?.connections ?? 0,
        connectFailures: backend?.connectFailures ?? 0,
        messagesFromClients: backend?.messagesFromClients ?? 0,
        messagesFromBackends: backend?.messagesFromBackends ?? 0,
      }
    }),
  }
}

async function control(
  servers: readonly ChatServerProcess[],
  name: string,
  action: ControlAction,
): Promise<boolean> {
  const server = servers.find((one) => one.name.toLowerCase() === name)
  await (action === 'start' ? server?.start() : server?.kill())
  return server !== undefined
}

/** What to print: the runtime, the URLs, and how to end it. */
function introduction(gateway: Gateway, host: string, asked: number | undefined): string[] {
  const port = gateway.listeners[0]?.port ?? 0
  const [first, ...others] = urls(host, port)
  const busy = asked === undefined && port !== usualPort
  const chat = gateway.backends.filter(({ pool }) => pool === 'chat').map(({ address }) => address)
  return [
    runtimeLine(),
    ...(busy ? [`Port ${usualPort} is busy, so the gateway took ${port}.`] : []),
    '',
    `  Open        ${first}`,
    ...others.map((url) => `              ${url}`),
    `  HTTP        curl ${first}chat`,
    `  WebSocket   npx wscat -c ${first?.replace('http', 'ws')}chat`,
    '',
    `Behind it, in processes of their own: ${serverNames.map((name, i) => `${name} (${chat[i]})`).join(', ')}.`,
    'Ctrl-C ends everything.',
  ]
}

/** Addresses to open, the nearest first. Numbers, not names: a name may lead to somebody else's port. */
function urls(host: string, port: number): string[] {
  const everywhere = host === '0.0.0.0' || host === '::'
  if (!everywhere) return [`http://${host.includes(':') ? `[${host}]` : host}:${port}/`]
  const outside = Object.values(networkInterfaces())
    .flatMap((addresses) => addresses ?? [])
    .filter(({ family, internal }) => family === 'IPv4' && !internal)
  return ['127.0.0.1', ...outside.map(({ address }) => address)].map((ip) => `http://${ip}:${port}/`)
}

function runtimeName(): string {
  return process.versions.bun === undefined ? `Node ${process.versions.node}` : `Bun ${process.versions.bun}`
}

/** Resolves with the first signal to stop; one that comes when stopping takes too long ends the process. */
function stopSignal(): Promise<void> {
  return new Promise((resolve) => {
    let first: number | undefined
    const take = () => {
      first ??= performance.now()
      if (performance.now() - first > echo) process.exit(130)
      resolve()
    }
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, take)
  })
}
