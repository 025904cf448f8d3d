import { FairleadError } from '../core/errors.ts'
import { nearestWord } from '../core/nearest-word.ts'
import type { Duration } from '../core/units.ts'
import { parseDuration } from '../core/units.ts'
import { type CloseCode, closeCodes } from '../protocol/close-codes.ts'
import { Audience } from './audience.ts'
import type { NodeListener } from './cluster/node-listeners.ts'
import type { Answerer, Answers } from './cluster/questions.ts'
import type { NodeRecord } from './cluster.ts'
import type { Connection } from './connection.ts'
import type { HubStats } from './counters.ts'
import { type HubEvents, hubEventNames, type ReceivedMessage } from './events.ts'
import type { AnyMessageHandler, ConnectionHandler, HubCore } from './hub-core.ts'
import type { Address, Relayed } from './local.ts'
import { allUsers, checkName, quoted } from './names.ts'
import { PacedDrain } from './paced-drain.ts'
import { PresenceView, Room } from './room.ts'
import type { BunConnection } from './transports/bun-connection.ts'
import { BunTransport } from './transports/bun-transport.ts'
import type { BunServer, BunWebSocketHandler } from './transports/bun-types.ts'
import { handshakePath, isWebSocketUpgrade } from './transports/fetch-request.ts'
import { checkServer, type UpgradingServer } from './transports/upgrades.ts'
import { WsTransport } from './transports/ws-transport.ts'

export interface AttachOptions {
  /** The path of WebSockets. @default the hub's `path` */
  readonly path?: string
}

export interface DrainOptions {
  /** Over which connections are closed, evenly and the longest idle first. @default '10s' */
  readonly over?: Duration
}

/** A name of the program's own: what has a colon is never a name of Fairlead's. */
export type OwnName = `${string}:${string}`

/** How long a hub takes for its first connection to the broker before it says that it has none. */
const startPatience = 10_000

/** What the handlers of a hub are for. */
interface Handlers<UserData> {
  /** A connection is there. Its messages wait until the promise that is returned is settled. */
  connection: Connection<UserData>
  /** A message of any connection. The next one of it waits until the promise that is returned is settled. */
  message: ReceivedMessage<UserData>
}

/**
 * WebSocket connections by id, user and room: those of this process, and, with a cluster, those of the others. Make one
 * with `createHub`. Connections come from servers: `attach` for those of `node:http`, `fetch` and `websocket` for Bun's.
 */
export class Hub<UserData = undefined> {
  /** This node's name. */
  readonly node: string
  readonly #core: HubCore
  readonly #ws: WsTransport
  readonly #bun: BunTransport
  readonly #detach = new Set<() => void>()
  #drain: PacedDrain | null = null
  #closed: Promise<void> | null = null
  readonly #started: Promise<boolean>

  /** @internal */
  constructor(core: HubCore) {
    const { maxMessage, compression, closeTimeout } = core.config
    const admit = core.doorman.admit.bind(core.doorman)
    const failed = (error: unknown) =>
      core.log.error({ event: 'handshake.failed', error }, 'a handshake failed: its client is not let in')
    const options = { maxMessage, compression, closeTimeout, admit, failed }
    this.node = core.node
    this.#core = core
    this.#ws = new WsTransport(options)
    this.#bun = new BunTransport(options)
    this.#started = core.cluster.start(startPatience)
  }

  // -------------------------------------------------------------------------------------------------- with the others

  /**
   * Waits until it has joined its cluster, which it begins to do when it is made. Resolves to whether that was within
   * 10 s: when not, it goes on trying, and serves its own connections meanwhile.
   */
  start(): Promise<boolean> {
    return this.#started
  }

  /**
   * Whether clients should be sent here: it hears what is published through the broker, the others know it, and it
   * does not stop. What the health check of a balancer should ask.
   */
  ready(): boolean {
    return !this.#core.stopping && this.#core.cluster.ready()
  }

  /** Every node that is not known to have left, this one included. */
  nodes(): readonly NodeRecord[] {
    return this.#core.cluster.nodes()
  }

  /**
   * Tells every other node, whose `on(name)` gets the value; whoever is not there misses it. `name` has a colon.
   * @throws TypeError when `name` has no colon, or `value` cannot be JSON
   */
  emit(name: OwnName, value: unknown): Promise<Pick<Relayed, 'status'>> {
    checkOwnName(name)
    return this.#core.cluster.emit(name, value)
  }

  /**
   * Asks every node, this one included. Never rejects: who did not answer is in `missing`, with the reason.
   * @throws TypeError when `value` cannot be JSON
   */
  ask<T = unknown>(name: OwnName, value?: unknown): Promise<Answers<T>> {
    checkOwnName(name)
    return this.#core.ask(name, asJson(value)) as Promise<Answers<T>>
  }

  /**
   * What this node answers to a question. Sent as JSON; one that throws is `missing` there, with `failed`. Returns how
   * to answer it no more.
   * @throws Error when there is an answer to it already
   */
  answer(name: OwnName, answerer: Answerer): () => void {
    checkOwnName(name)
    checkFunction(name, answerer)
    return this.#core.cluster.questions.answer(name, async (value, from) => {
      try {
        return asJson(await answerer(value, from))
      } catch (error) {
        this.#core.log.error({ event: 'answer.failed', name, from, error }, 'an answer failed')
        throw error
      }
    })
  }

  // ----------------------------------------------------------------------------------------------- where they come from

  /**
   * Takes the WebSocket upgrades of a server of `node:http` or `node:https`, which Express, Fastify, Koa and Nest have,
   * for one path or for all that are no other hub's. Upgrades for other paths are left to others. Returns how to stop;
   * connections stay.
   * @throws FairleadError `CONFIG_INVALID` when it is no server, another hub serves the path, or this one is closed;
   * and on Bun, whose `node:http` loses what is written to a slow WebSocket
   */
  attach(server: UpgradingServer, options: AttachOptions = {}): () => void {
    if ('Bun' in globalThis) {
      throw invalid('attach: on Bun use Bun.serve({ fetch: hub.fetch, websocket: hub.websocket })')
    }
    checkServer(server)
    if (this.#closed !== null) throw invalid('attach: found a hub that is closed, expected one that is not')
    const path = options.path ?? this.#core.config.path ?? null
    if (path !== null && !/^\/[^?#]*$/.test(path)) {
      throw invalid(
        `path: found ${JSON.stringify(path)}, expected a path that starts with '/', without '?' and '#'`,
      )
    }
    const letGo = this.#ws.attach(server, path)
    const detach = () => {
      if (this.#detach.delete(detach)) letGo()
    }
    this.#detach.add(detach)
    return detach
  }

  /**
   * Whether a request of Bun's server is an upgrade for this hub, for servers that serve more than it:
   * `fetch: (request, server) => hub.handles(request) ? hub.fetch(request, server) : app.fetch(request)`.
   */
  handles(request: Request): boolean {
    const { path } = this.#core.config
    return isWebSocketUpgrade(request) && (path === undefined || handshakePath(request) === path)
  }

  /** For `Bun.serve({ fetch: hub.fetch, websocket: hub.websocket })`. What is no upgrade for this hub gets 404 or 426. */
  readonly fetch = (
    request: Request,
    server: BunServer,
  ): Response | undefined | Promise<Response | undefined> => {
    if (this.handles(request)) return this.#bun.upgrade(request, server)
    if (isWebSocketUpgrade(request))
      return new Response('no WebSocket is served at this path', { status: 404 })
    return new Response('this is a WebSocket server', { status: 426, headers: { Upgrade: 'websocket' } })
  }

  /** See `fetch`. */
  get websocket(): BunWebSocketHandler<BunConnection> {
    return this.#bun.websocket
  }

  // ------------------------------------------------------------------------------------------------------ what they do

  /** Handles new connections or messages. One that throws, or whose promise rejects, closes the connection with 1011. */
  on<Name extends keyof Handlers<UserData>>(
    event: Name,
    handler: (payload: Handlers<UserData>[Name]) => unknown,
  ): () => void
  /**
   * Is told. Returns how to stop.
   * @throws TypeError when there is no such event
   */
  on<Name extends keyof HubEvents<UserData>>(
    event: Name,
    listener: (payload: HubEvents<UserData>[Name]) => void,
  ): () => void
  /** Is told what other nodes `emit`. */
  on(name: OwnName, listener: NodeListener): () => void
  on(
    event: keyof Handlers<UserData> | keyof HubEvents<UserData> | OwnName,
    handler: (...args: never[]) => unknown,
  ): () => void {
    const core = this.#core
    checkListener(event, handler)
    if (isOwnName(event)) return core.hear(event, handler as never)
    if (event === 'connection') {
      const entry: ConnectionHandler = (connection) => handler(connection as never)
      core.connectionHandlers = [...core.connectionHandlers, entry]
      return () => {
        core.connectionHandlers = core.connectionHandlers.filter((other) => other !== entry)
      }
    }
    if (event === 'message') {
      const entry: AnyMessageHandler = (message) => handler(message as never)
      core.messageHandlers = [...core.messageHandlers, entry]
      return () => {
        core.messageHandlers = core.messageHandlers.filter((other) => other !== entry)
      }
    }
    return core.listen(event, handler as () => unknown)
  }

  // --------------------------------------------------------------------------------------------------- who is addressed

  /** Everybody. */
  get everybody(): Audience {
    return this.#audience({ kind: 'everybody' })
  }

  /** @throws RangeError when the name is not 1 to 128 characters without control characters */
  room(name: string): Room {
    checkName('room', name)
    return new Room(this.#core.dispatch, name)
  }

  /**
   * Which users are connected, to whichever node.
   * @throws FairleadError `CONFIG_INVALID` without `userPresence`
   */
  get presence(): PresenceView {
    if (!this.#core.config.userPresence) throw invalid('userPresence: found false, expected true')
    return new PresenceView(this.#core.cluster, allUsers)
  }

  /**
   * All devices of a user.
   * @throws RangeError when the id is not 1 to 128 characters without control characters
   */
  user(id: string): Audience {
    checkName('user', id)
    return this.#audience({ kind: 'user', id })
  }

  /** One connection, here or elsewhere. Somebody who is not there any more is nobody. */
  connection(id: string): Audience {
    return this.#audience({ kind: 'connection', id })
  }

  /** The open connections of this node. */
  *connections(): Iterable<Connection<UserData>> {
    for (const connection of this.#core.roster.connections())
      yield connection as Connection<unknown> as Connection<UserData>
  }

  stats(): HubStats {
    return this.#core.stats()
  }

  // ----------------------------------------------------------------------------------------------------------- its end

  /**
   * Lets nobody in any more (503), and closes the connections with 1012, so that clients go elsewhere. Resolves when
   * they are gone; those that do not answer their Close are cut.
   */
  async drain(options: DrainOptions = {}): Promise<void> {
    const { over = '10s' } = options
    const window = parseDuration(over)
    if (window === undefined)
      throw invalid(`over: found ${JSON.stringify(over)}, expected a duration with its unit`)
    await this.#leave(closeCodes.restart, window)
  }

  /**
   * Closes every connection with 1001 at once, cuts those that do not answer, leaves the cluster, and lets go of the
   * servers.
   */
  close(): Promise<void> {
    this.#closed ??= this.#close()
    return this.#closed
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }

  async #close(): Promise<void> {
    const core = this.#core
    core.stop()
    this.#drain?.stop()
    for (const connection of [...core.roster.connections()]) connection.shut(closeCodes.stopping)
    // The transports cut whoever does not answer in time.
    await core.empty()
    // After the last goodbyes, which listeners may want to tell others.
    await core.cluster.close()
    for (const detach of this.#detach) detach()
    core.timers.rest()
  }

  async #leave(code: CloseCode, over: number): Promise<void> {
    const { roster, wide, timers, config } = this.#core
    this.#core.stop()
    this.#drain?.stop()
    const drain = new PacedDrain({
      timers,
      connections: () => roster.connections(),
      activity: (connection) => connection.activity + wide.published(connection),
      code,
      over,
      patience: config.closeTimeout,
    })
    this.#drain = drain
    await this.#core.empty()
    drain.stop()
  }

  #audience(address: Address): Audience {
    return new Audience(this.#core.dispatch, address)
  }
}

function isOwnName(name: string): name is OwnName {
  return name.includes(':')
}

function checkOwnName(name: string): void {
  if (typeof name === 'string' && isOwnName(name) && name.length <= 128) return
  throw new TypeError(`expected a name with a colon, such as 'app:reload', found ${quoted(name)}`)
}

/** A value as other nodes get it, so that this one gets no other. @throws TypeError when it cannot be JSON */
function asJson(value: unknown): unknown {
  const text = JSON.stringify(value)
  return text === undefined ? null : JSON.parse(text)
}

function checkListener(event: unknown, handler: unknown): void {
  const names = ['connection', 'message', ...hubEventNames]
  if (typeof event !== 'string' || (!isOwnName(event) && !names.includes(event))) {
    const near = nearestWord(String(event), names)
    const hint = near === undefined ? '' : ` (did you mean '${near}'?)`
    throw new TypeError(
      `expected the name of an event, or one with a colon, found ${quoted(String(event))}${hint}`,
    )
  }
  checkFunction(event, handler)
}

function checkFunction(name: string, handler: unknown): void {
  if (typeof handler === 'function') return
  throw new TypeError(
    `expected a function for ${quoted(name)}, found ${handler === null ? 'null' : typeof handler}`,
  )
}

function invalid(what: string): FairleadError {
  return new FairleadError('CONFIG_INVALID', what, { source: 'config', retryable: false })
}
