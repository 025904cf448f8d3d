import { Gateway } from '../../../src/gateway/gateway.ts'
import type { Log } from '../../../src/gateway/log.ts'
import { formatProblems, parseOptions } from '../../../src/gateway/parse-options.ts'
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

/** Beyond what one read and one `write` may add to the port's own 128 KiB: heads, pings, a goodbye. */
const queueMargin = 24 * 1024

/** A whole gateway among random clients and backends on a random network, all drawn from one seed. */
export class Simulation {
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
  readonly #legs = new Map<TunnelRecord, readonly (SimSocket | null)[]>()
  readonly #waiting = new Set<string>()
  readonly #largest: number
  #open = 0
  #closing = false

  constructor(seed: number) {
    const chance = new Chance(seed)
    const calm = chance.is(0.25)
    this.#seed = seed
    this.#chance = chance
    this.#world = new World(
      chance,
      calm ? { haste: 0.005, stall: 5 } : { stall: chance.pick([20, 200, 2000]) },
    )
    this.#largest = chance.pick([200, 2000, 40_000])
    this.#network = new SimNetwork(this.#world, {
      reads: [calm ? 64 : 1, Math.max(4096, this.#largest)],
      kernels: [calm ? 512 : 1, Math.max(4096, this.#largest)],
      dribbling: this.#largest > 2000 ? 0 : 0.2,
      latency: calm ? 20 : 500,
    })
    this.#ours = this.#network.port('gateway')
    this.#theirs = this.#network.port('peer')
    this.#around = {
      world: this.#world,
      chance,
      calm,
      largest: this.#largest,
      count: (what) => this.#counts.set(what, (this.#counts.get(what) ?? 0) + 1),
    }
    this.#backends = Array.from(
      { length: chance.int(1, 4) },
      (_, index) => new SimBackend(this.#around, this.#book, this.#network, this.#theirs, 3001 + index),
    )
    this.#gateway = this.#makeGateway()
    this.#world.onQuiet = () => this.#check()
  }

  /** To the end, or to the first violation. */
  async run(): Promise<Outcome> {
    const world = this.#world
    const began = world.now
    await this.#await('start', this.#gateway.start())
    const clients = this.#chance.int(1, 14)
    for (let index = 0; index < clients; index++) {
      world.after(this.#chance.size(3000), () => this.#addClient(index))
    }
    if (!this.#around.calm) this.#disturb()
    const until = world.now + (this.#around.calm ? 300_000 : this.#chance.size(30_000))
    const over = (): boolean =>
      (this.#clients.length === clients && this.#clients.every(({ done, gone }) => done && gone)) ||
      world.now > until
    await world.until(over)
    if (this.#around.calm && world.now > until) world.violated('calm clients are not done after 5 minutes')
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

  #makeGateway(): Gateway {
    const addresses = this.#backends.map(({ address }) => address)
    const parsed = parseOptions(randomOptions(this.#chance, addresses, this.#around.calm))
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
      this.#around.count(`tunnel ended by the ${endedBy}`)
    })
    return gateway
  }

  #addClient(index: number): void {
    const target: ConnectTarget = this.#chance.is(0.8)
      ? { ip: '127.0.0.1', port: 8080 }
      : { path: '/run/sim.sock' }
    const Client = this.#chance.is(0.5) ? HttpClient : TunnelClient
    this.#clients.push(new Client(this.#around, this.#book, this.#theirs, target, `c${index}`))
  }

  /** Operators, failing backends, and a kernel that gives up. */
  #disturb(): void {
    const chance = this.#chance
    const gateway = this.#gateway
    const { address, ...backend } = chance.pick(this.#backends)
    const site = this.#backends.find((one) => one.address === address) as SimBackend
    const act = chance.weighted({
      ill: 3,
      well: 2,
      drain: 1,
      enable: 2,
      disable: 0.5,
      weight: 1,
      break: 1,
      nothing: 3,
    })
    void backend
    if (act !== 'nothing') this.#around.count(`operator ${act}`)
    if (act === 'ill' || act === 'well') site.ill = act === 'ill'
    else if (act === 'drain')
      void this.#await('drain', gateway.drain(address, { over: chance.size(5000) + 1 }), false)
    else if (act === 'enable') for (const one of this.#backends) gateway.enable(one.address)
    else if (act === 'disable') gateway.disable(address)
    else if (act === 'weight') gateway.setWeight(address, chance.int(0, 5))
    else if (act === 'break') [...this.#ours.live].at(chance.int(0, 20))?.fail('timeout')
    if (!this.#closing) this.#world.after(chance.size(4000), () => this.#disturb())
  }

  async #drain(): Promise<void> {
    const over = this.#chance.size(10_000) + 1
    const deadline = this.#world.now + over
    this.#closing = true
    this.#around.count('gateway drain')
    await this.#await('gateway drain', this.#gateway.drain(over))
    // The last event before it may have taken a while, and turns of the event loop come first.
    if (this.#world.now > deadline + 5000)
      this.#world.violated(`the drain took ${this.#world.now - deadline} ms too long`)
  }

  async #close(): Promise<void> {
    this.#closing = true
    const world = this.#world
    const began = world.now
    await this.#await('close', this.#gateway.close())
    // Whose end was ordered but not told yet is as good as gone.
    const left = [...this.#ours.live].filter(({ gaveUp }) => gaveUp === null).length
    if (left > 0) world.violated(`close left ${left} sockets of the gateway`)
    if (world.violations.length > 0) return
    if (world.now - began > closingTime + 5000) world.violated(`close took ${world.now - began} ms`)
    for (const socket of this.#theirs.live) socket.abort()
    await world.until(() => this.#ours.live.size + this.#theirs.live.size === 0 && world.idle, 1_000_000)
    if (this.#ours.live.size > 0) world.violated('a socket was opened after the close')
    for (const { address, connections, active } of this.#gateway.backends) {
      if (connections !== 0 || active !== 0) {
        world.violated(`backend ${address} is left with ${connections} connections and ${active} active`)
      }
    }
    if (this.#open !== 0) world.violated(`${this.#open} tunnels never ended`)
    if (world.violations.length === 0) await world.until(() => this.#waiting.size === 0)
    for (const what of this.#waiting) world.violated(`${what} never resolved`)
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
      if (socket.mostQueued > 128 * 1024 + this.#largest + queueMargin) {
        world.violated(`${socket.mostQueued} bytes were queued`)
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

  /** What both sides ended in order has arrived whole. */
  #checkTunnel(record: TunnelRecord): void {
    const { client, backend } = record
    if (client === null || backend === null) return
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
    this.#book.tunnels.delete(record.id)
    if (client.hasMoreToSay || backend.hasMoreToSay) return
    const closed = record.up.gatewayClosed || record.down.gatewayClosed
    if (lost.length > 0 && !closed)
      this.#world.violated(`tunnel ${record.id} ended in order without all that went ${lost}`)
  }
}

/** One run. */
export async function simulate(seed: number): Promise<Outcome> {
  return new Simulation(seed).run()
}
