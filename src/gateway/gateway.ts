import { randomBytes } from 'node:crypto'
import { Emitter } from '../core/emitter.ts'
import { compileRoutes } from '../core/routing.ts'
import { type Duration, parseDuration } from '../core/units.ts'
import { parseRequestHead } from '../http1/request-head.ts'
import { parseResponseHead } from '../http1/response-head.ts'
import { trustedNetworks } from '../net/address.ts'
import type { Listener, Socket, SocketPort } from '../net/socket.ts'
import { closeCodes } from '../protocol/close-codes.ts'
import { acceptQueueEmpty } from './accept-queue.ts'
import { Backend, type BackendState } from './backend.ts'
import type { BackendConnection } from './backend-connection.ts'
import { BackendStates } from './backend-states.ts'
import { makeChooser } from './chooser.ts'
import { ClientConnection } from './client-connection.ts'
import { ConnectionReuse } from './connection-reuse.ts'
import type { GatewayContext, ResponseParser } from './context.ts'
import type { GatewayEvents } from './events.ts'
import { HealthKeeper } from './health/health-keeper.ts'
import { PoolHealth } from './health/pool-health.ts'
import { IdleCollector } from './idle-collector.ts'
import { listenError } from './listen-error.ts'
import { LiveSet } from './live-set.ts'
import type { Log } from './log.ts'
import type { GatewayConfig, ListenerConfig, PoolConfig, RouteConfig } from './options.ts'
import { PacedClose } from './paced-close.ts'
import { describePolicy } from './policy-options.ts'
import { Pool } from './pool.ts'
import { type BackendStatus, backendStatuses, type PoolStatus } from './status.ts'
import { Timers } from './timers.ts'
import type { Tunnel } from './tunnel.ts'
import { tunnelRules } from './tunnel-rules.ts'

/** A listener as it was opened. */
export interface ListenerStatus {
  /** `http://127.0.0.1:8080`, or `unix:/path`. */
  readonly address: string
  /** 0 for Unix sockets. */
  readonly port: number
}

/** What a gateway is doing: `running` alone means that it takes new connections. */
export type GatewayState = 'new' | 'running' | 'draining' | 'closed'

/** Tunnels a second that a stopping gateway closes at least: so few reconnects at once are no storm for anybody. */
const leastPace = 50

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
  readonly #tunnels = new LiveSet<Tunnel>()
  readonly #clients = new LiveSet<ClientConnection>()
  readonly #backendConnections = new LiveSet<BackendConnection>()
  readonly #open: { readonly listener: Listener; readonly status: ListenerStatus }[] = []
  readonly #poolConfigs: Map<string, PoolConfig>
  readonly #states: BackendStates
  #state: GatewayState = 'new'
  #accepted = 0
  #goodbyes: PacedClose | null = null

  /** Does no I/O. `createGateway` is the friendlier way. */
  constructor(config: GatewayConfig, parts: GatewayParts) {
    this.#health = new HealthKeeper({
      ...parts,
      timers: this.#timers,
      tunnels: this.#tunnels,
      closeGrace: config.timeouts.halfClosed,
    })
    this.#poolConfigs = new Map(Object.entries(config.pools))
    for (const [name, pool] of this.#poolConfigs) this.#pools.set(name, this.#makePool(name, pool))
    this.#context = makeContext(config, parts, {
      timers: this.#timers,
      health: this.#health,
      tunnels: this.#tunnels,
      backendConnections: this.#backendConnections,
      restarting: (backend) => this.#states.restarting(backend),
    })
    this.#context.routePools = config.routes.map((route) => this.#routePool(route))
    this.#states = new BackendStates(this.#context)
  }

  /** Turns from `running` to `draining` when it is told to stop: the time to call it not ready. */
  get state(): GatewayState {
    return this.#state
  }

  /** The open listeners, in the order of the options. */
  get listeners(): readonly ListenerStatus[] {
    return this.#open.map(({ status }) => status)
  }

  /** Every backend of every pool, with its numbers at this moment. */
  get backends(): readonly BackendStatus[] {
    return backendStatuses(this.#pools.values(), this.#tunnels)
  }

  /** Every pool with its backends, at this moment. */
  get pools(): readonly PoolStatus[] {
    const { backends } = this
    return [...this.#poolConfigs].map(([name, { policy }]) => {
      return { name, policy: describePolicy(policy), backends: backends.filter(({ pool }) => pool === name) }
    })
  }

  /** Calls `listener` at each `event` from now on, until the function that is returned is called. */
  on<Name extends keyof GatewayEvents>(
    event: Name,
    listener: (payload: GatewayEvents[Name]) => void,
  ): () => void {
    return this.#context.events.on(event, listener)
  }

  /**
   * Looks up the backends' names and opens every listener; when one cannot be opened, none stays open.
   * @throws FairleadError `LISTEN_ADDRESS_IN_USE` or `LISTEN_FAILED`
   */
  async start(): Promise<void> {
    if (this.#state !== 'new') throw new Error('a gateway can be started once')
    this.#state = 'running'
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
   * Stops the gateway gently: accepts what waits in the listen queue and then no more, answers what was asked, and
   * says goodbye to the tunnels with Close 1001, evenly over the time given, at least 50 a second, the longest idle
   * first. Resolves when nothing is left or after `milliseconds`. Call `close` afterwards.
   */
  drain(milliseconds: number): Promise<void>
  /**
   * Empties a backend, in all pools that name its address: no new connections from now on, and its tunnels are
   * closed with 1012, evenly over a window, the longest idle first. It stays `draining` until `enable`.
   * @param backend address as in the options
   * @param options.over the window, with its unit or in milliseconds. @default `timeouts.drain`
   * @returns true when it is empty, false when `enable`, `disable` or the gateway's end came first
   * @throws RangeError when no pool has such a backend, or `over` is no duration
   */
  drain(backend: string, options?: { readonly over?: Duration | number }): Promise<boolean>
  async drain(what: number | string, { over }: { readonly over?: Duration | number } = {}): Promise<unknown> {
    if (typeof what === 'number') return this.#drainAll(what)
    const window =
      typeof over === 'string' ? parseDuration(over) : (over ?? this.#context.config.timeouts.drain)
    if (window === undefined || !(window >= 0)) throw new RangeError(`expected a duration, not ${over}`)
    return this.#states.drain(this.#backend(what), window)
  }

  /**
   * Lets a backend serve again, whatever was said about it before; a drain under way ends, and who is left stays.
   * @throws RangeError when no pool has such a backend
   */
  enable(backend: string): void {
    this.#states.enable(this.#backend(backend))
  }

  /**
   * Gives a backend no new connections; live ones stay.
   * @throws RangeError when no pool has such a backend
   */
  disable(backend: string): void {
    this.#states.disable(this.#backend(backend))
  }

  /**
   * Changes a backend's share of new connections; live ones stay.
   * @param weight whole number from 0 to 256
   * @param pool the one pool to change. @default every pool that has the backend
   * @throws RangeError when no such pool has such a backend, or the weight is out of range
   */
  setWeight(backend: string, weight: number, pool?: string): void {
    if (!(Number.isInteger(weight) && weight >= 0 && weight <= 256)) {
      throw new RangeError(`expected a weight from 0 to 256, not ${weight}`)
    }
    const concerned = [...this.#poolConfigs].filter(
      ([name, { backends }]) =>
        (pool === undefined || pool === name) && backends.some(({ address }) => address === backend),
    )
    if (concerned.length === 0) throw new RangeError(`no such pool has a backend ${backend}`)
    const replaced = new Set<Pool>()
    for (const [name, config] of concerned) {
      const backends = config.backends.map((one) => (one.address === backend ? { ...one, weight } : one))
      const changed = { ...config, backends }
      this.#poolConfigs.set(name, changed)
      replaced.add(this.#pools.get(name) as Pool)
      this.#pools.set(name, this.#makePool(name, changed))
    }
    const before = this.#context.routePools
    const { routes } = this.#context.config
    this.#context.routePools = routes.map((route, index) => this.#routePool(route, before[index]))
    for (const pool of replaced) this.#health.release(pool.health)
    for (const pool of before) if (!this.#context.routePools.includes(pool)) replaced.add(pool)
    for (const pool of replaced) pool.retire()
  }

  /** Stops accepting and cuts everything that is live. May be called twice. */
  async close(): Promise<void> {
    this.#state = 'closed'
    this.#context.draining = true
    this.#goodbyes?.stop()
    this.#states.stop()
    await this.#stopListening()
    for (const tunnel of this.#tunnels) tunnel.abort()
    for (const client of this.#clients) client.abort()
    this.#context.reuse.closeAll()
    for (const connection of this.#backendConnections) connection.abort()
    await Promise.all([this.#empty(), this.#health.stop()])
    await this.#backendConnections.whenEmpty()
    for (const pool of [...this.#pools.values(), ...this.#context.routePools]) pool.retire()
    this.#context.timers.stop()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }

  async #drainAll(milliseconds: number): Promise<void> {
    const context = this.#context
    if (this.#state !== 'closed') this.#state = 'draining'
    context.draining = true
    const deadline = new Deadline(milliseconds)
    this.#goodbyes?.stop()
    this.#goodbyes = new PacedClose(context, {
      code: closeCodes.goingAway,
      over: milliseconds,
      patience: Math.min(milliseconds, context.config.timeouts.halfClosed),
      least: leastPace,
      concerns: () => true,
    })
    for (const client of this.#clients) client.drain()
    if (this.#open.length > 0) await acceptQueueEmpty(() => this.#accepted)
    await this.#stopListening()
    // Those that were accepted meanwhile.
    for (const client of this.#clients) client.drain()
    await Promise.race([this.#empty(), deadline.passed])
    deadline.cancel()
    this.#goodbyes.stop()
  }

  #backend(address: string): Backend {
    const backend = this.#backends.get(address)
    if (backend === undefined) throw new RangeError(`no pool has a backend ${address}`)
    return backend
  }

  async #empty(): Promise<void> {
    await Promise.all([this.#tunnels.whenEmpty(), this.#clients.whenEmpty()])
    // A client that was about to become a tunnel may have become one meanwhile.
    await this.#tunnels.whenEmpty()
  }

  #makePool(name: string, config: PoolConfig): Pool {
    const weights = config.backends.map(({ weight }) => weight)
    const backends = config.backends.map(({ address, target, state }) => {
      const known = this.#backends.get(address)
      const backend = known ?? new Backend(address, target)
      if (this.#state === 'new' && state !== undefined) backend.ordered = strictest(backend.ordered, state)
      this.#backends.set(address, backend)
      return backend
    })
    const records = backends.map(({ health }) => health)
    const health = new PoolHealth(name, records, weights, config, () => this.#timers.now())
    this.#health.adopt(health, backends, config)
    return new Pool(name, backends, weights, makeChooser(config.policy, name, backends, weights), health)
  }

  /**
   * A route with a policy of its own has a view of its pool that shares the backends, what they carry and their health.
   * @param before its view until now, which stays while the pool does
   */
  #routePool({ pool: name, policy }: RouteConfig, before?: Pool): Pool {
    const pool = this.#pools.get(name) as Pool
    if (policy === undefined) return pool
    if (before?.health === pool.health) return before
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
    this.#accepted++
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
  own: Pick<GatewayContext, 'timers' | 'health' | 'tunnels' | 'backendConnections' | 'restarting'>,
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
    routePools: [],
    routeTunnels: config.routes.map((route) => tunnelRules(route, config.pools[route.pool] as PoolConfig)),
    events: new Emitter(),
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

function strictest(first: BackendState, second: BackendState): BackendState {
  if (first === 'disabled' || second === 'active') return first
  return second
}

function addressOf(target: ListenerConfig, port: number): string {
  if ('path' in target) return `unix:${target.path}`
  const host = target.host ?? 'localhost'
  return `http://${host.includes(':') ? `[${host}]` : host}:${port}`
}
