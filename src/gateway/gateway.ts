import { randomBytes } from 'node:crypto'
import { compileRoutes } from '../core/routing.ts'
import { parseRequestHead } from '../http1/request-head.ts'
import { parseResponseHead } from '../http1/response-head.ts'
import { trustedNetworks } from '../net/address.ts'
import type { Listener, Socket, SocketPort } from '../net/socket.ts'
import { closeCodes } from '../protocol/close-codes.ts'
import { Backend } from './backend.ts'
import type { BackendConnection } from './backend-connection.ts'
import { makeChooser } from './chooser.ts'
import { ClientConnection } from './client-connection.ts'
import { ConnectionReuse } from './connection-reuse.ts'
import type { GatewayContext, ResponseParser } from './context.ts'
import { HealthKeeper } from './health/health-keeper.ts'
import { PoolHealth } from './health/pool-health.ts'
import { IdleCollector } from './idle-collector.ts'
import { listenError } from './listen-error.ts'
import { LiveSet } from './live-set.ts'
import type { Log } from './log.ts'
import type { GatewayConfig, ListenerConfig, PoolConfig } from './options.ts'
import type { PolicyConfig } from './policy-options.ts'
import { Pool } from './pool.ts'
import { Timers } from './timers.ts'
import type { Tunnel } from './tunnel.ts'

/** A listener as it was opened. */
export interface ListenerStatus {
  /** `http://127.0.0.1:8080`, or `unix:/path`. */
  readonly address: string
  /** 0 for Unix sockets. */
  readonly port: number
}

/** A backend's numbers since the gateway was created. */
export interface BackendStatus {
  readonly pool: string
  readonly address: string
  readonly weight: number
  /** Live tunnels. */
  readonly connections: number
  /** Connects, upgrades and HTTP requests under way. */
  readonly active: number
  /** HTTP requests and upgrades sent to it. */
  readonly requests: number
  readonly connectFailures: number
  /** What probes say; `unknown` before the first and when it is not probed. */
  readonly health: 'unknown' | 'up' | 'down'
  /** What the last probe that failed minded, null while probes find it healthy. */
  readonly problem: string | null
  /** When its ejection ends, in milliseconds since 1970; null while it is not ejected. */
  readonly ejectedUntil: number | null
  /** Messages and bytes of all tunnels, live ones included. */
  readonly messagesFromClients: number
  readonly messagesFromBackends: number
  readonly bytesFromClients: number
  readonly bytesFromBackends: number
}

/** Parts the gateway does not make itself. */
export interface GatewayParts {
  readonly sockets: SocketPort
  readonly log: Log
}

/** Accepts WebSocket and HTTP connections and spreads them over backends. */
export class Gateway implements AsyncDisposable {
  readonly #context: GatewayContext
  readonly #timers = new Timers()
  readonly #health: HealthKeeper
  readonly #backends = new Map<string, Backend>()
  readonly #pools = new Map<string, Pool>()
  readonly #routePools: readonly Pool[]
  readonly #tunnels = new LiveSet<Tunnel>()
  readonly #clients = new LiveSet<ClientConnection>()
  readonly #backendConnections = new LiveSet<BackendConnection>()
  readonly #open: { readonly listener: Listener; readonly status: ListenerStatus }[] = []
  #state: 'new' | 'started' | 'closed' = 'new'

  /** Does no I/O. `createGateway` is the friendlier way. */
  constructor(config: GatewayConfig, parts: GatewayParts) {
    this.#health = new HealthKeeper({
      ...parts,
      timers: this.#timers,
      tunnels: this.#tunnels,
      closeGrace: config.timeouts.halfClosed,
    })
    for (const [name, pool] of Object.entries(config.pools)) this.#pools.set(name, this.#makePool(name, pool))
    const routePools = config.routes.map((route) => this.#routePool(route.pool, route.policy))
    this.#routePools = routePools
    this.#context = makeContext(config, parts, {
      timers: this.#timers,
      health: this.#health,
      tunnels: this.#tunnels,
      backendConnections: this.#backendConnections,
      routePools,
    })
  }

  /** The open listeners, in the order of the options. */
  get listeners(): readonly ListenerStatus[] {
    return this.#open.map(({ status }) => status)
  }

  /** Every backend of every pool, with its numbers at this moment. */
  get backends(): readonly BackendStatus[] {
    const live = new Map<Backend, TrafficTotals>()
    for (const { backend, fromClient, fromBackend } of this.#tunnels) {
      const totals = live.get(backend) ?? new TrafficTotals()
      totals.messagesFromClients += fromClient.messages
      totals.messagesFromBackends += fromBackend.messages
      totals.bytesFromClients += fromClient.bytes
      totals.bytesFromBackends += fromBackend.bytes
      live.set(backend, totals)
    }
    return [...this.#pools.values()].flatMap((pool) =>
      pool.backends.map((backend, index) => backendStatus(pool, index, live.get(backend))),
    )
  }

  /**
   * Looks up the backends' names and opens every listener; when one cannot be opened, none stays open.
   * @throws FairleadError `LISTEN_ADDRESS_IN_USE` or `LISTEN_FAILED`
   */
  async start(): Promise<void> {
    if (this.#state !== 'new') throw new Error('a gateway can be started once')
    this.#state = 'started'
    await Promise.all([...this.#backends.values()].map((backend) => this.#resolve(backend)))
    try {
      for (const target of this.#context.config.listen) await this.#listen(target)
    } catch (error) {
      await this.close()
      throw error
    }
    // Closed meanwhile: what was opened since then goes as well.
    if (this.#context.draining) await this.#stopListening()
    else this.#health.start()
  }

  /**
   * Stops accepting, says goodbye to every tunnel with Close 1001, answers what was asked, and resolves when
   * nothing is left or after `milliseconds`. Call `close` afterwards.
   */
  async drain(milliseconds: number): Promise<void> {
    this.#context.draining = true
    await this.#stopListening()
    for (const tunnel of this.#tunnels) tunnel.close(closeCodes.goingAway, milliseconds)
    for (const client of this.#clients) client.drain()
    const deadline = new Deadline(milliseconds)
    await Promise.race([this.#empty(), deadline.passed])
    deadline.cancel()
  }

  /** Stops accepting and cuts everything that is live. May be called twice. */
  async close(): Promise<void> {
    this.#state = 'closed'
    this.#context.draining = true
    await this.#stopListening()
    for (const tunnel of this.#tunnels) tunnel.abort()
    for (const client of this.#clients) client.abort()
    this.#context.reuse.closeAll()
    for (const connection of this.#backendConnections) connection.abort()
    await Promise.all([this.#empty(), this.#health.stop()])
    await this.#backendConnections.whenEmpty()
    for (const pool of [...this.#pools.values(), ...this.#routePools]) pool.retire()
    this.#context.timers.stop()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }

  async #empty(): Promise<void> {
    await Promise.all([this.#tunnels.whenEmpty(), this.#clients.whenEmpty()])
    // A client that was about to become a tunnel may have become one meanwhile.
    await this.#tunnels.whenEmpty()
  }

  #makePool(name: string, config: PoolConfig): Pool {
    const weights = config.backends.map(({ weight }) => weight)
    const backends = config.backends.map(({ address, target }) => {
      const backend = this.#backends.get(address) ?? new Backend(address, target)
      this.#backends.set(address, backend)
      return backend
    })
    const records = backends.map(({ health }) => health)
    const health = new PoolHealth(name, records, weights, config, () => this.#timers.now())
    this.#health.adopt(health, backends, config)
    return new Pool(name, backends, weights, makeChooser(config.policy, name, backends, weights), health)
  }

  /** A route with a policy of its own has a view of its pool that shares the backends, what they carry and their health. */
  #routePool(name: string, policy: PolicyConfig | undefined): Pool {
    const pool = this.#pools.get(name) as Pool
    if (policy === undefined) return pool
    const { backends, weights, health } = pool
    return new Pool(name, backends, weights, makeChooser(policy, name, backends, weights), health)
  }

  /** A name that does not resolve yet is no reason not to start: it is looked up again when it is needed. */
  async #resolve(backend: Backend): Promise<void> {
    const { timers, log } = this.#context
    try {
      await backend.resolve(timers.now())
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error)
      log.warn(
        { event: 'backend.unresolved', code: 'BACKEND_REFUSED', backend: backend.address, reason },
        `the name of backend ${backend.address} does not resolve: ${reason}`,
      )
    }
  }

  async #listen(target: ListenerConfig): Promise<void> {
    try {
      const local = 'path' in target
      const listener = await this.#context.sockets.listen(target, (socket) => this.#accept(socket, local))
      this.#open.push({
        listener,
        status: { address: addressOf(target, listener.port), port: listener.port },
      })
    } catch (error) {
      throw listenError(target, error)
    }
  }

  #accept(socket: Socket, local: boolean): void {
    // A TCP client without an address reset already. Not claimed, its socket is closed; taken for a client of a
    // Unix socket, whatever it says about its origin would be believed.
    if (!local && socket.remoteAddress === '') return
    new ClientConnection(this.#context, this.#clients, socket)
  }

  async #stopListening(): Promise<void> {
    await Promise.all(this.#open.splice(0).map(({ listener }) => listener.close()))
  }
}

/** A promise that is kept after a while, and can be given up. */
class Deadline {
  readonly passed: Promise<void>
  #timer: ReturnType<typeof setTimeout> | undefined

  constructor(milliseconds: number) {
    this.passed = new Promise((resolve) => {
      this.#timer = setTimeout(resolve, milliseconds)
    })
  }

  cancel(): void {
    clearTimeout(this.#timer)
  }
}

function makeContext(
  config: GatewayConfig,
  parts: GatewayParts,
  own: Pick<GatewayContext, 'timers' | 'health' | 'tunnels' | 'backendConnections' | 'routePools'>,
): GatewayContext {
  const { timers, tunnels } = own
  const headLimits = { bytes: config.limits.head, fields: config.limits.fields }
  const forHead: ResponseParser = (bytes, start, end) =>
    parseResponseHead(bytes, start, end, headLimits, 'HEAD')
  const forRest: ResponseParser = (bytes, start, end) =>
    parseResponseHead(bytes, start, end, headLimits, 'GET')
  return {
    ...own,
    config,
    sockets: parts.sockets,
    log: parts.log,
    accessLog: config.log.access && (config.log.level === 'info' || config.log.level === 'debug'),
    collector: new IdleCollector(timers, parts.sockets.collectGarbage, () => tunnels.size),
    trusted: trustedNetworks(config.trustedProxies),
    reuse: new ConnectionReuse(config.limits.idleBackendConnections, config.timeouts.backendIdle),
    matchRoute: compileRoutes(config.routes),
    headLimits,
    draining: false,
    nextRequestId: requestIds(),
    parseRequest: (bytes, start, end) => parseRequestHead(bytes, start, end, headLimits),
    responseParser: (method) => (method === 'HEAD' ? forHead : forRest),
  }
}

/** Ids that are unique among gateways (random part) and within this one (counter), and cheap. */
function requestIds(): () => string {
  const gateway = randomBytes(6).toString('hex')
  let count = 0
  return () => `${gateway}-${(++count).toString(36)}`
}

class TrafficTotals {
  messagesFromClients = 0
  messagesFromBackends = 0
  bytesFromClients = 0
  bytesFromBackends = 0
}

function backendStatus(pool: Pool, index: number, live: TrafficTotals = new TrafficTotals()): BackendStatus {
  const { address, connections, active, requests, connectFailures, ended, health } = pool.backends[
    index
  ] as Backend
  return {
    pool: pool.name,
    address,
    weight: pool.weights[index] as number,
    connections,
    active,
    requests,
    connectFailures,
    health: health.probe.status,
    problem: health.problem,
    ejectedUntil: health.ejectedUntil,
    messagesFromClients: ended.messagesFromClients + live.messagesFromClients,
    messagesFromBackends: ended.messagesFromBackends + live.messagesFromBackends,
    bytesFromClients: ended.bytesFromClients + live.bytesFromClients,
    bytesFromBackends: ended.bytesFromBackends + live.bytesFromBackends,
  }
}

function addressOf(target: ListenerConfig, port: number): string {
  if ('path' in target) return `unix:${target.path}`
  const host = target.host ?? 'localhost'
  return `http://${host.includes(':') ? `[${host}]` : host}:${port}`
}
