import { formatProblems } from '../../../src/core/options/check-options.ts'
import { Gateway } from '../../../src/gateway/gateway.ts'
import type { Log } from '../../../src/gateway/log.ts'
import type { GatewayOptions } from '../../../src/gateway/options.ts'
import { parseOptions } from '../../../src/gateway/parse-options.ts'
import { Tunnel } from '../../../src/gateway/tunnel.ts'
import type { ConnectTarget } from '../../../src/net/socket.ts'
import { Book } from './book.ts'
import { Chance } from './chance.ts'
import type { TunnelRecord } from './conversation.ts'
import type { Party, Surroundings } from './party.ts'
import { randomOptions } from './run-options.ts'
import { SimBackend } from './sim-backend.ts'
import { HttpClient, TunnelClient } from './sim-client.ts'
import { SimNetwork, type SimPort } from './sim-network.ts'
import type { SimSocket } from './sim-socket.ts'
import { World } from './world.ts'

/** What one run did and found. */
export interface Outcome {
  readonly seed: number
  /** What must not be; empty when all is well. */
  readonly violations: readonly string[]
  /** How often what came up. */
  readonly counts: ReadonlyMap<string, number>
  readonly steps: number
  /** Virtual milliseconds. */
  readonly lasted: number
}

const nobodyLogs: Log = { debug() {}, info() {}, warn() {}, error() {} }

/** Virtual milliseconds within which `close` has to end everything: nothing of it waits for a deadline. */
const closingTime = 1000

/** What may be queued beyond full queues, one read and early data: heads, pings, a goodbye. */
const queueMargin = 2048

/** What operators and the world do, and how often. */
const rough = {
  ill: 3,
  well: 2,
  drain: 1,
  enable: 2,
  disable: 0.5,
  weight: 1,
  reload: 1,
  break: 1,
  nothing: 3,
}

/** The same for a crowd, which needs backends to go to. */
const busy: typeof rough = {
  ill: 1,
  well: 5,
  drain: 1,
  enable: 8,
  disable: 0,
  weight: 0,
  reload: 0,
  break: 3,
  nothing: 0,
}

/** A whole gateway among random clients and backends on a random network, all drawn from one seed. */
class Simulation {
  readonly #seed: number
  readonly #chance: Chance
  readonly #world: World
  readonly #network: SimNetwork
  readonly #ours: SimPort
  readonly #theirs: SimPort
  readonly #around: Surroundings
  readonly #book = new Book()
  readonly #counts = new Map<string, number>()
  readonly #gateway: Gateway
  readonly #backends: SimBackend[]
  readonly #clients: (Party & { readonly done: boolean })[] = []
  readonly #legs = new WeakMap<TunnelRecord, readonly (SimSocket | null)[]>()
  readonly #waiting = new Set<string>()
  readonly #largest: number
  readonly #endings: number
  #ended = 0
  #open = 0
  #closing = false
  #cutting = false

  /** @param endings runs until so many tunnels have ended, with tunnels that do little else. @default 0: random traffic */
  constructor(seed: number, endings = 0) {
    const chance = new Chance(seed)
    const calm = endings === 0 && chance.is(0.25)
    this.#endings = endings
    this.#seed = seed
    this.#chance = chance
    const steady = calm || endings > 0
    this.#world = new World(
      chance,
      steady ? { haste: 0.005, stall: 5 } : { stall: chance.pick([20, 200, 2000]) },
    )
    this.#largest = endings > 0 ? 40 : chance.pick([200, 2000, 40_000])
    this.#network = new SimNetwork(this.#world, {
      reads: [steady ? 64 : 1, Math.max(4096, this.#largest)],
      kernels: [steady ? 512 : 1, Math.max(4096, this.#largest)],
      dribbling: this.#largest > 2000 || endings > 0 ? 0 : 0.2,
      eager: endings > 0,
      latency: calm ? 20 : 500,
    })
    this.#ours = this.#network.port('gateway')
    this.#theirs = this.#network.port('peer')
    this.#around = {
      world: this.#world,
      chance,
      calm,
      largest: this.#largest,
      crowded: endings > 0,
      count: (what) => this.#counts.set(what, (this.#counts.get(what) ?? 0) + 1),
    }
    this.#backends = Array.from(
      { length: chance.int(1, 4) },
      (_, index) => new SimBackend(this.#around, this.#book, this.#network, this.#theirs, 3001 + index),
    )
    this.#gateway = this.#makeGateway()
    this.#ours.onGivenUp = (socket) => this.#checkCut(socket)
    // In a crowd it is quiet very often.
    const every = endings > 0 ? 50 : 1
    let quiet = 0
    this.#world.onQuiet = () => {
      if (++quiet % every === 0) this.#check()
    }
  }

  /** To the end, or to the first violation. */
  async run(): Promise<Outcome> {
    const world = this.#world
    const began = world.now
    await this.#await('start', this.#gateway.start())
    if (!this.#around.calm) this.#disturb()
    if (this.#endings > 0) await this.#crowd()
    else await this.#visits()
    if (world.violations.length === 0 && this.#chance.is(0.5)) await this.#drain()
    if (world.violations.length === 0) await this.#close()
    return {
      seed: this.#seed,
      violations: world.violations,
      counts: this.#counts,
      steps: world.steps,
      lasted: world.now - began,
    }
  }

  /** A few clients of all kinds, until they are done or for a random time. */
  async #visits(): Promise<void> {
    const world = this.#world
    const { calm } = this.#around
    const count = this.#chance.int(1, 14)
    for (let index = 0; index < count; index++) {
      const client = (): unknown => this.#addClient(this.#chance.is(0.5) ? HttpClient : TunnelClient, index)
      world.after(this.#chance.size(3000), client)
    }
    const until = world.now + (calm ? 300_000 : this.#chance.size(30_000))
    const done = (): boolean =>
      this.#clients.length === count && this.#clients.every((one) => one.done && one.gone)
    await world.until(() => world.now > until || done())
    if (calm && world.now > until) world.violated('calm clients are not done after 5 minutes')
  }

  /** Clients that come whenever one is gone, until enough tunnels have ended. */
  async #crowd(): Promise<void> {
    const live: Party[] = []
    let count = 0
    const come = (): void => {
      for (let at = live.length - 1; at >= 0; at--) if (live[at]?.gone) live.splice(at, 1)
      while (live.length < 40) live.push(this.#addClient(TunnelClient, count++))
      this.#clients.length = 0
      if (this.#ended < this.#endings) this.#world.after(20, come)
    }
    come()
    await this.#world.until(() => this.#ended >= this.#endings, Number.MAX_SAFE_INTEGER)
  }

  #makeGateway(): Gateway {
    const parsed = parseOptions(this.#options())
    if ('problems' in parsed) throw new Error(formatProblems(parsed.problems))
    const gateway = new Gateway(parsed.config, {
      sockets: this.#ours,
      log: nobodyLogs,
      environment: this.#world.environment,
    })
    gateway.on('tunnel.opened', () => {
      this.#open++
    })
    gateway.on('tunnel.closed', ({ endedBy }) => {
      this.#open--
      this.#ended++
      this.#around.count(`tunnel ended by the ${endedBy}`)
    })
    return gateway
  }

  /** A random configuration, some backends left out of it. */
  #options(): GatewayOptions {
    const { length } = this.#backends
    const some = this.#backends.slice(0, this.#chance.is(0.5) ? length : this.#chance.int(1, length))
    const addresses = some.map(({ address }) => address)
    return randomOptions(this.#chance, addresses, this.#around)
  }

  #addClient(Client: typeof HttpClient | typeof TunnelClient, index: number): Party {
    const unix = this.#chance.is(0.2)
    const target: ConnectTarget = unix ? { path: '/run/sim.sock' } : { ip: '127.0.0.1', port: 8080 }
    const client = new Client(this.#around, this.#book, this.#theirs, target, `c${index}`)
    this.#clients.push(client)
    return client
  }

  /** Operators, failing backends, and a kernel that gives up. */
  #disturb(): void {
    const chance = this.#chance
    const gateway = this.#gateway
    const site = chance.pick(this.#backends)
    const { address } = site
    const here = gateway.backends.some((one) => one.address === address)
    const act = chance.weighted(this.#endings > 0 ? busy : rough)
    if (act !== 'nothing') this.#around.count(`operator ${act}`)
    if (act === 'ill' || act === 'well') site.ill = act === 'ill'
    else if (act === 'break') [...this.#ours.live].at(chance.int(0, 20))?.fail('timeout')
    else if (act === 'enable') for (const one of gateway.backends) gateway.enable(one.address)
    else if (act === 'reload') void this.#reload()
    else if (here) this.#order(act, address)
    if (!this.#closing) this.#world.after(chance.size(4000), () => this.#disturb())
  }

  /** An operator concerns himself with one backend. */
  #order(act: keyof typeof rough, address: string): void {
    const chance = this.#chance
    const gateway = this.#gateway
    if (act === 'drain')
      void this.#await('drain', gateway.drain(address, { over: chance.size(5000) + 1 }), false)
    else if (act === 'disable') gateway.disable(address)
    else if (act === 'weight') gateway.setWeight(address, chance.int(0, 5))
  }

  /** Another configuration, unless the end comes first: then it is refused. */
  async #reload(): Promise<void> {
    const done = this.#gateway.reload(this.#options()).catch((error: unknown) => {
      if (!this.#closing) throw error
    })
    await this.#await('reload', done, false)
  }

  async #drain(): Promise<void> {
    const over = this.#chance.size(10_000) + 1
    const deadline = this.#world.now + over
    this.#closing = true
    this.#around.count('gateway drain')
    await this.#await('gateway drain', this.#gateway.drain(over))
    // Turns of the event loop come first, during each of which others may take their time.
    if (this.#world.now > deadline + Math.max(5000, 20 * this.#world.stall))
      this.#world.violated(`the drain took ${this.#world.now - deadline} ms too long`)
  }

  async #close(): Promise<void> {
    this.#closing = true
    const world = this.#world
    const began = world.now
    this.#cutting = true
    // From now on time passes only when nobody has anything to do, so what passes was waited for.
    world.haste = 0
    await this.#await('close', this.#gateway.close())
    // Whose end was ordered but not told yet is as good as gone.
    const left = [...this.#ours.live].filter(({ gaveUp }) => gaveUp === null).length
    if (left > 0) world.violated(`close left ${left} sockets of the gateway`)
    if (world.violations.length > 0) return
    if (world.now - began > closingTime) world.violated(`close took ${world.now - began} ms`)
    for (const socket of this.#theirs.live) socket.abort()
    await world.until(() => this.#ours.live.size + this.#theirs.live.size === 0 && world.idle, 1_000_000)
    if (this.#ours.live.size > 0) world.violated('a socket was opened after the close')
    for (const backend of this.#gateway.backends)
      this.#checkLeft(`backend ${backend.address}`, { ...backend })
    for (const pool of this.#gateway.pools) this.#checkLeft(`pool ${pool.name}`, { ...pool })
    const { admission } = this.#gateway as { admission?: object }
    this.#checkLeft('the gateway', { ...admission })
    if (this.#open !== 0) world.violated(`${this.#open} tunnels never ended`)
    if (world.violations.length === 0) await world.until(() => this.#waiting.size === 0)
    for (const what of this.#waiting) world.violated(`${what} never resolved`)
  }

  /** Whatever a status counts of those who are there has to be 0 when nobody is. */
  #checkLeft(whose: string, status: Readonly<Record<string, unknown>>): void {
    for (const counter of ['connections', 'active', 'seats', 'waiting', 'clientConnections']) {
      const count = status[counter] ?? 0
      if (count !== 0) this.#world.violated(`${whose} is left with ${count} ${counter}`)
    }
  }

  /** Runs the world until a promise is kept, or lets it be. */
  async #await(what: string, promise: Promise<unknown>, wait = true): Promise<void> {
    const name = `${what} ${this.#world.steps}`
    this.#waiting.add(name)
    void promise.then(
      () => this.#waiting.delete(name),
      (error: unknown) => this.#world.violated(`${what} rejected: ${error}`),
    )
    if (wait) await this.#world.until(() => !this.#waiting.has(name))
  }

  /** What has to hold whenever nobody has anything to do. */
  #check(): void {
    const world = this.#world
    const tunnels = new Map<string, Set<Tunnel>>()
    let others = 0
    for (const socket of this.#ours.live) {
      const { highWater, mostRead } = (socket.peer ?? socket).manners
      const most =
        Math.max(highWater, socket.manners.highWater) +
        Math.max(mostRead, 4096, this.#largest) +
        3 * this.#largest
      if (socket.mostQueued > most + queueMargin) {
        world.violated(`${socket.mostQueued} bytes were queued at ${socket.name}, ${most} at most`)
      }
      const { context } = socket
      if (!(context instanceof Tunnel)) {
        others++
        continue
      }
      const { address } = context.backend
      tunnels.set(address, (tunnels.get(address) ?? new Set()).add(context))
      this.#checkFlow(context)
    }
    for (const { address, connections, active } of this.#gateway.backends) {
      const live = tunnels.get(address)?.size ?? 0
      if (connections !== live)
        world.violated(`${address} counts ${connections} connections, ${live} tunnels live`)
      if (active < 0 || active > others)
        world.violated(`${address} counts ${active} active of ${others} sockets`)
    }
    const live = [...tunnels.values()].reduce((sum, { size }) => sum + size, 0)
    if (live !== this.#open) world.violated(`${live} tunnels live, ${this.#open} were opened and not closed`)
    for (const record of this.#book.tunnels.values()) this.#checkTunnel(record)
  }

  /** A leg that is not read has to wait for the other one. */
  #checkFlow({ client, server, leaving }: Tunnel): void {
    for (const [from, to] of [
      [client, server],
      [server, client],
    ] as [SimSocket, SimSocket][]) {
      const stuck = from.paused && to.queuedBytes === 0 && to.state === 'open' && from.state === 'open'
      if (!stuck || leaving) continue
      this.#world.violated(`${from.name} is paused, and ${to.name}, the other leg, has nothing queued`)
    }
  }

  /** A leg of a tunnel is cut for a reason only: the other is gone, it was said goodbye, or a deadline has passed. */
  #checkCut({ name, context, gaveUp }: SimSocket): void {
    if (!(context instanceof Tunnel) || this.#cutting || context.leaving) return
    const { fromClient, fromBackend, openedAt } = context
    const legs = [context.client, context.server] as SimSocket[]
    if (legs.some(({ state, error }) => state === 'closed' || error)) return
    const { now } = this.#world
    const bothClosed = fromClient.closeSeen && fromBackend.closeSeen
    const since = Math.min(
      ...legs.map((leg) => (leg.finTold ? leg.finToldAt : now)),
      bothClosed ? openedAt : now,
    )
    const patience = this.#around.calm ? 10_000 : 3000
    if (now - since < patience)
      this.#world.violated(`${name}, a leg of a tunnel, was given up (${gaveUp}) too early`)
  }

  /** What both sides ended in order has arrived whole. */
  #checkTunnel(record: TunnelRecord): void {
    const { client, backend } = record
    if (client === null || (client.gone && backend === null)) this.#book.tunnels.delete(record.id)
    if (client === null || backend === null) return
    if (client.gone && backend.gone) this.#book.tunnels.delete(record.id)
    const legs = this.#legs.get(record) ?? [client.socket.peer, backend.socket.peer]
    this.#legs.set(record, legs)
    const clean =
      [client.socket, backend.socket].every(
        ({ gaveUp, error, state }) => state === 'closed' && !gaveUp && error === null,
      ) && legs.every((leg) => leg !== null && leg.gaveUp === null)
    const lost = (['up', 'down'] as const).filter(
      (way) => !record[way].complete && !record[way].gatewayClosed,
    )
    if (clean && lost.length === 0) this.#around.count('tunnel whole')
    if (!clean) return
    if (client.hasMoreToSay || backend.hasMoreToSay) return
    const closed = record.up.gatewayClosed || record.down.gatewayClosed
    if (lost.length > 0 && !closed)
      this.#world.violated(`tunnel ${record.id} ended in order without all that went ${lost}`)
  }
}

/** One run. */
export async function simulate(seed: number, endings = 0): Promise<Outcome> {
  return new Simulation(seed, endings).run()
}
