import type {
  ConnectTarget,
  Listener,
  ListenTarget,
  Socket,
  SocketErrorCode,
  SocketHandler,
  SocketPort,
} from '../../../src/net/socket.ts'
import { unclaimed } from '../../../src/net/unclaimed.ts'
import type { Chance } from './chance.ts'
import { Pipe } from './pipe.ts'
import { type Manners, SimSocket } from './sim-socket.ts'
import type { Task, World } from './world.ts'

/** How the network treats a connect to a listener that is there. */
export type Fate = 'connect' | 'hang' | SocketErrorCode

export interface Weather {
  /** Bytes that one read brings at most: drawn for each connection between these two. */
  readonly reads: readonly [number, number]
  /** Bytes that are on their way at most, drawn in the same way. */
  readonly kernels: readonly [number, number]
  /** How often a connection is one of which a few bytes come at a time. */
  readonly dribbling: number
  /** Whether kernels take all they can at once, as on an idle machine, and queues are as long as they may be. */
  readonly eager?: boolean
  /** Milliseconds a connect takes at most. */
  readonly latency: number
}

/** The longest queue for which `write` may still say true. */
const longest = 128 * 1024

/** Both ends of every connection, and who listens where. */
export class SimNetwork {
  readonly world: World
  /** What becomes of a connect, by port or path. */
  readonly fates = new Map<string, () => Fate>()
  readonly #weather: Weather
  readonly #listeners = new Map<string, SimListener>()
  #nextPort = 20_000

  constructor(world: World, weather: Weather) {
    this.world = world
    this.#weather = weather
    // Node accepts one connection for each turn.
    world.turns.push(() => {
      for (const listener of this.#listeners.values()) listener.run()
    })
  }

  get #chance(): Chance {
    return this.world.chance
  }

  /** A port with sockets of its own. */
  port(name = 's'): SimPort {
    return new SimPort(this, name)
  }

  listen(port: SimPort, target: ListenTarget, onConnection: (socket: Socket) => void): Listener {
    const wanted = 'port' in target && target.port === 0 ? { port: this.#nextPort++ } : target
    const key = keyOf(wanted)
    if (this.#listeners.has(key)) throw Object.assign(new Error('address in use'), { code: 'EADDRINUSE' })
    const listener = new SimListener(this.world, port, onConnection)
    this.#listeners.set(key, listener)
    return {
      port: 'port' in wanted ? wanted.port : 0,
      close: async () => {
        if (this.#listeners.get(key) === listener) this.#listeners.delete(key)
        listener.close()
      },
    }
  }

  connect(client: SimSocket, target: ConnectTarget, timeout: number): void {
    const key = keyOf(target)
    const fate = this.fates.get(key)?.() ?? 'connect'
    this.world.after(timeout, () => {
      if (client.state === 'connecting' && !client.established) client.fail('timeout')
    })
    if ('port' in target && target.port > 65_535) {
      client.fail('other')
      return
    }
    const arrive = (): void => {
      if (client.state !== 'connecting' || client.gaveUp !== null || fate === 'hang') return
      const listener = this.#listeners.get(key)
      if (listener === undefined) client.fail('refused')
      else if (fate !== 'connect') client.fail(fate)
      else this.#establish(client, listener, target)
    }
    const { latency } = this.#weather
    if (latency > 0 && this.#chance.is(0.3)) this.world.after(this.#chance.size(latency), arrive)
    else this.world.wake({ ready: false, run: arrive })
  }

  /** Cuts the network between the two ends: neither hears anything of the other any more. */
  cut(socket: SimSocket): void {
    if (socket.incoming !== null) socket.incoming.cut = true
    if (socket.outgoing !== null) socket.outgoing.cut = true
  }

  manners(): Manners {
    const { reads, dribbling, eager = false } = this.#weather
    const chance = this.#chance
    return {
      eager,
      highWater: eager ? longest : chance.is(0.3) ? 0 : Math.min(chance.size(reads[1]), longest),
      mostRead: chance.is(0.5) ? reads[1] : this.#size(reads),
      dribble: chance.is(dribbling) ? chance.pick([0.1, 0.9]) : 0,
    }
  }

  #size([smallest, largest]: readonly [number, number]): number {
    return Math.max(smallest, this.#chance.size(largest))
  }

  #establish(client: SimSocket, listener: SimListener, target: ConnectTarget): void {
    const server = new SimSocket(this.world, this.manners(), unclaimed, undefined)
    const up = new Pipe(this.#size(this.#weather.kernels))
    const down = new Pipe(this.#size(this.#weather.kernels))
    client.outgoing = up
    server.incoming = up
    client.incoming = down
    server.outgoing = down
    client.peer = server
    server.peer = client
    client.established = true
    if ('ip' in target) {
      client.remoteAddress = target.ip
      client.remotePort = target.port
      server.remoteAddress = '127.0.0.1'
      server.remotePort = this.#nextPort++
    }
    client.touch()
    listener.queue(server)
  }
}

/** Accepts one connection each time it has its turn. */
class SimListener implements Task {
  ready = false
  readonly #world: World
  readonly #port: SimPort
  readonly #onConnection: (socket: Socket) => void
  readonly #waiting: SimSocket[] = []

  constructor(world: World, port: SimPort, onConnection: (socket: Socket) => void) {
    this.#world = world
    this.#port = port
    this.#onConnection = onConnection
  }

  queue(socket: SimSocket): void {
    this.#waiting.push(socket)
    this.#world.wake(this)
  }

  run(): void {
    const socket = this.#waiting.shift()
    if (socket === undefined) return
    if (this.#waiting.length > 0) this.#world.wake(this)
    // The kernel does not know any more who it was.
    if (socket.incoming?.reset && this.#world.chance.is(0.5)) socket.remoteAddress = ''
    this.#port.adopt(socket)
    socket.state = 'open'
    try {
      this.#onConnection(socket)
    } catch (error) {
      socket.abort()
      throw error
    } finally {
      if (socket.unclaimed) socket.abort()
      socket.touch()
    }
  }

  /** Who was not accepted yet is reset. */
  close(): void {
    for (const socket of this.#waiting.splice(0)) socket.abort()
  }
}

/** One side's view of the network: a `SocketPort` that knows the sockets it has given out. */
export class SimPort implements SocketPort {
  readonly runtime = 'node'
  /** Those that have not been told of their end. */
  readonly live = new Set<SimSocket>()
  /** How many there were. */
  count = 0
  onGivenUp: (socket: SimSocket) => void = () => {}
  readonly #name: string
  readonly #network: SimNetwork

  constructor(network: SimNetwork, name: string) {
    this.#name = name
    this.#network = network
  }

  async listen(target: ListenTarget, onConnection: (socket: Socket) => void): Promise<Listener> {
    return this.#network.listen(this, target, onConnection)
  }

  connect(
    target: ConnectTarget,
    connectTimeout: number,
    handler: SocketHandler,
    context: unknown,
  ): SimSocket {
    const socket = new SimSocket(this.#network.world, this.#network.manners(), handler, context)
    this.adopt(socket)
    this.#network.connect(socket, target, connectTimeout)
    return socket
  }

  adopt(socket: SimSocket): void {
    this.count++
    socket.name = `${this.#name}${this.count}`
    this.live.add(socket)
    socket.onGone = (gone) => {
      if (!this.live.delete(gone)) this.#network.world.violated('a socket was told twice that it is closed')
    }
    socket.onGivenUp = (given) => this.onGivenUp(given)
  }
}

function keyOf(target: ConnectTarget | ListenTarget): string {
  if ('path' in target) return target.path
  return 'port' in target ? String(target.port) : `fd ${target.fd}`
}
