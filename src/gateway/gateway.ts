import { randomBytes } from 'node:crypto'
import { Emitter } from '../core/emitter.ts'
import { type Duration, parseDuration } from '../core/units.ts'
import type { SocketPort } from '../net/socket.ts'
import { closeCodes } from '../protocol/close-codes.ts'
import { Admission } from './admission/admission.ts'
import { ClientGate } from './admission/client-gate.ts'
import { Descriptors } from './admission/descriptors.ts'
import type { Backend } from './backend.ts'
import type { BackendConnection } from './backend-connection.ts'
import { BackendStates } from './backend-states.ts'
import { ClientConnection } from './client-connection.ts'
import type { ReloadSummary } from './config-changes.ts'
import { Configuration } from './configuration.ts'
import { ConnectionReuse } from './connection-reuse.ts'
import type { GatewayContext } from './context.ts'
import { Deadline } from './deadline.ts'
import { Discoveries, type OpenSource } from './discoveries.ts'
import type { Environment } from './environment.ts'
import type { GatewayEmitter, GatewayEvents } from './events.ts'
import { HealthKeeper } from './health/health-keeper.ts'
import { IdleCollector } from './idle-collector.ts'
import { type ListenerStatus, Listeners } from './listeners.ts'
import { LiveSet } from './live-set.ts'
import type { Log } from './log.ts'
import { lookUpNames } from './name-lookup.ts'
import type { GatewayConfig, GatewayOptions } from './options.ts'
import { PacedClose } from './paced-close.ts'
import { checkedOptions } from './parse-options.ts'
import { describePolicy } from './policy-options.ts'
import { type ReloadHost, reload } from './reload.ts'
import { makeSnapshot, ownPools } from './snapshot.ts'
import {
  type AdmissionStatus,
  admissionStatus,
  type BackendStatus,
  backendStatuses,
  capOf,
  type PoolStatus,
} from './status.ts'
import { Timers } from './timers.ts'
import { Topology } from './topology.ts'
import type { Tunnel } from './tunnel.ts'
import { Turns } from './turns.ts'

/** What a gateway is doing: `running` alone means that it takes new connections. */
export type GatewayState = 'new' | 'running' | 'draining' | 'closed'

/** Tunnels a second that a stopping gateway closes at least: so few reconnects at once are no storm for anybody. */
const leastPace = 50

/** How long a start or a reload waits for names that do not resolve, in milliseconds. */
const namesPatience = 5000

/** Parts the gateway does not make itself. */
export interface GatewayParts {
  readonly sockets: SocketPort
  readonly log: Log
  /** Makes the sources of pools that discover backends. Without it, such pools are a mistake. */
  readonly openSource?: OpenSource
  /** A reload changed what is configured about the log. Without it, the log stays as it is. */
  readonly logOptions?: (options: GatewayConfig['log']) => void
  /** Time and chance. @default those of the machine */
  readonly environment?: Environment
}

/** Accepts WebSocket and HTTP connections and spreads them over backends. */
export class Gateway implements AsyncDisposable {
  readonly #context: GatewayContext
  readonly #health: HealthKeeper
  readonly #topology: Topology
  readonly #configuration: Configuration
  readonly #logOptions: GatewayParts['logOptions']
  readonly #turns = new Turns()
  readonly #discoveries: Discoveries
  readonly #states: BackendStates
  readonly #listeners: Listeners
  readonly #gate: ClientGate<ClientConnection>
  readonly #tunnels = new LiveSet<Tunnel>()
  readonly #clients = new LiveSet<ClientConnection>()
  readonly #backendConnections = new LiveSet<BackendConnection>()
  #state: GatewayState = 'new'
  #goodbyes: PacedClose | null = null

  /** Does no I/O. `createGateway` is the friendlier way. */
  constructor(config: GatewayConfig, parts: GatewayParts) {
    const { sockets, log, logOptions, openSource = noSources, environment } = parts
    const timers = new Timers(environment)
    const tunnels = this.#tunnels
    const backendConnections = this.#backendConnections
    const reuse = new ConnectionReuse()
    const events: GatewayEmitter = new Emitter()
    const told = { timers, log, events }
    const closeGrace = () => this.#context.snapshot.config.timeouts.halfClosed
    const changed = () => this.#context.admission.wake()
    const announce = (backend: Backend, state: 'active' | 'draining') => this.#states.announce(backend, state)
    this.#health = new HealthKeeper({ timers, sockets, log, events, tunnels, announce, closeGrace, changed })
    this.#logOptions = logOptions
    this.#topology = new Topology(this.#health, timers)
    this.#context = {
      snapshot: makeSnapshot(config, this.#topology),
      sockets,
      log,
      timers,
      tunnels,
      health: this.#health,
      admission: new Admission(told, config),
      descriptors: new Descriptors({
        ...told,
        reuse,
        clients: this.#clients,
        tunnels,
        backendConnections,
        givenUpConnects: sockets.givenUpConnects ?? (() => 0),
        limits: () => this.#context.snapshot.config.limits,
      }),
      backendConnections,
      reuse,
      collector: new IdleCollector(timers, sockets.collectGarbage, () => tunnels.size),
      events,
      draining: false,
      nextRequestId: requestIds(),
      restarting: (backend) => {
        if (this.#canSpare(backend)) this.#states.restarting(backend)
      },
    }
    this.#states = new BackendStates(this.#context)
    this.#discoveries = new Discoveries(
      openSource,
      log,
      () => void this.#turns.take(() => this.#rediscover()),
    )
    const found = (given: GatewayConfig) => this.#discoveries.over(given)
    this.#configuration = new Configuration(this.#context, this.#topology, this.#states, found)
    // A backend that may serve again may have room for those who wait.
    events.on('backend.state', changed)
    const { descriptors, nextRequestId } = this.#context
    this.#gate = new ClientGate({ timers, descriptors, nextRequestId, clients: this.#clients })
    this.#listeners = new Listeners(sockets, timers.environment.turn, (socket) => {
      if (!this.#gate.admits(socket)) return
      new ClientConnection(this.#context, this.#clients, socket)
      this.#context.descriptors.accepted()
    })
  }

  /** Turns from `running` to `draining` when it is told to stop: the time to call it not ready. */
  get state(): GatewayState {
    return this.#state
  }

  /** The configuration in force. */
  get config(): GatewayConfig {
    return this.#context.snapshot.config
  }

  /** The open listeners, in the order of the options. */
  get listeners(): readonly ListenerStatus[] {
    return this.#listeners.statuses
  }

  /** Every backend of every pool, with its numbers at this moment. */
  get backends(): readonly BackendStatus[] {
    return backendStatuses(ownPools(this.#context.snapshot), this.#tunnels)
  }

  /** Every pool with its backends, at this moment. */
  get pools(): readonly PoolStatus[] {
    const { backends } = this
    return [...this.#context.snapshot.pools].map(([name, { config, pool }]) => {
      const { used, cap, waiting } = this.#context.admission.room(name)
      return {
        name,
        policy: describePolicy(config.policy),
        seats: used,
        maxConnections: capOf(cap),
        waiting,
        retries: pool.retries.budget.granted,
        retriesDenied: pool.retries.budget.denied,
        backends: backends.filter((backend) => backend.pool === name),
      }
    })
  }

  /** What the whole gateway has taken in, at this moment. */
  get admission(): AdmissionStatus {
    return admissionStatus(this.#context.admission, this.#context.descriptors)
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
    await this.#turns.take(() => this.#open())
  }

  async #open(): Promise<void> {
    const { configured } = this.#configuration
    try {
      await this.#lookUp(configured)
      this.#discoveries.commit()
      this.#configuration.apply()
      await (await this.#listeners.prepare(configured.listen)).commit()
    } catch (error) {
      await this.close()
      throw error
    }
    this.#context.descriptors.start()
    // Closed meanwhile: what was opened since then goes as well.
    if (this.#context.draining) await this.#listeners.close()
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
      typeof over === 'string' ? parseDuration(over) : (over ?? this.#context.snapshot.config.timeouts.drain)
    if (window === undefined || !(window >= 0)) throw new RangeError(`expected a duration, not ${over}`)
    return this.#states.drain(this.#topology.backend(what), window)
  }

  /**
   * Lets a backend serve again, whatever was said about it before; a drain under way ends, and who is left stays.
   * @throws RangeError when no pool has such a backend
   */
  enable(backend: string): void {
    this.#states.enable(this.#topology.backend(backend))
  }

  /**
   * Gives a backend no new connections; live ones stay.
   * @throws RangeError when no pool has such a backend
   */
  disable(backend: string): void {
    this.#states.disable(this.#topology.backend(backend))
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
    this.#configuration.setWeight(backend, weight, pool)
  }

  /**
   * Takes other options over without touching what they leave as it is: live connections, the counts and the health
   * of backends, policies. All or nothing: with a single mistake nothing changes. One reload after another.
   * @param options all of them, as for `createGateway`
   * @returns what has changed
   * @throws FairleadError `CONFIG_INVALID` naming every mistake, `LISTEN_ADDRESS_IN_USE` or `LISTEN_FAILED` when a
   * new listener cannot be opened, `GATEWAY_STOPPING` from the start of a drain on
   */
  reload(options: GatewayOptions): Promise<ReloadSummary> {
    return this.reloadFrom(() => checkedOptions(options))
  }

  /**
   * The same, from wherever the configuration comes; it is loaded when its turn has come.
   * @throws FairleadError the same, and whatever `load` throws
   */
  reloadFrom(load: () => GatewayConfig | Promise<GatewayConfig>): Promise<ReloadSummary> {
    return this.#turns.take(() => reload(this.#reloadHost(), load))
  }

  /** Stops accepting and cuts everything that is live. May be called twice. */
  async close(): Promise<void> {
    this.#state = 'closed'
    this.#context.draining = true
    this.#goodbyes?.stop()
    this.#discoveries.stop()
    this.#context.admission.stop()
    this.#states.stop()
    await this.#listeners.close()
    for (const tunnel of this.#tunnels) tunnel.abort()
    for (const client of this.#clients) client.abort()
    this.#gate.abort()
    this.#context.reuse.closeAll()
    for (const connection of this.#backendConnections) connection.abort()
    await Promise.all([this.#empty(), this.#health.stop()])
    await this.#backendConnections.whenEmpty()
    this.#configuration.stop()
    this.#context.descriptors.stop()
    this.#context.timers.stop()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }

  async #drainAll(milliseconds: number): Promise<void> {
    const context = this.#context
    if (this.#state !== 'closed') this.#state = 'draining'
    context.draining = true
    this.#discoveries.stop()
    const deadline = new Deadline(milliseconds, context.timers.environment)
    // Another call gives another window; this one, when it is over, must not end that.
    this.#goodbyes?.stop()
    const goodbyes = new PacedClose(context, {
      code: closeCodes.goingAway,
      over: milliseconds,
      patience: Math.min(milliseconds, context.snapshot.config.timeouts.halfClosed),
      least: leastPace,
      concerns: () => true,
    })
    this.#goodbyes = goodbyes
    for (const client of this.#clients) client.drain()
    await this.#listeners.quiet()
    await this.#listeners.close()
    // Those that were accepted meanwhile.
    for (const client of this.#clients) client.drain()
    await Promise.race([this.#empty(), deadline.passed])
    deadline.cancel()
    goodbyes.stop()
  }

  /** Whether each pool that it serves has another one: better a backend that restarts than none at all. */
  #canSpare(backend: Backend): boolean {
    return ownPools(this.#context.snapshot).every((pool) => pool.canSpare(backend))
  }

  async #empty(): Promise<void> {
    await Promise.all([this.#tunnels.whenEmpty(), this.#clients.whenEmpty()])
    // A client that was about to become a tunnel may have become one meanwhile.
    await this.#tunnels.whenEmpty()
  }

  /** Finds out where the backends of a configuration are, as far as that takes no long time. */
  async #lookUp(config: GatewayConfig): Promise<void> {
    await this.#discoveries.stage(config)
    await lookUpNames(this.#topology.stage(this.#discoveries.over(config)), namesPatience, this.#context)
  }

  /** A source found something else: the same way as a reload, but for the configuration. */
  async #rediscover(): Promise<void> {
    if (this.#context.draining) return
    const config = this.#discoveries.over(this.#configuration.configured)
    await lookUpNames(this.#topology.stage(config), namesPatience, this.#context)
    if (!this.#context.draining) this.#configuration.apply()
  }

  #reloadHost(): ReloadHost {
    const { log, events } = this.#context
    return {
      configured: this.#configuration.configured,
      running: this.#state === 'running',
      stopping: () => this.#context.draining,
      listeners: this.#listeners,
      log,
      events,
      lookUp: (config) => this.#lookUp(config),
      giveUp: () => this.#discoveries.discard(),
      swap: (config) => {
        this.#discoveries.commit()
        if (config.log !== this.#configuration.configured.log) this.#logOptions?.(config.log)
        this.#configuration.replace(config)
      },
    }
  }
}

function noSources(): never {
  throw new Error('this gateway was made without sources')
}

/** Ids that are unique among gateways (random part) and within this one (counter), and cheap. */
function requestIds(): () => string {
  const gateway = randomBytes(6).toString('hex')
  let count = 0
  return () => `${gateway}-${(++count).toString(36)}`
}
