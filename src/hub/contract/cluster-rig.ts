import { randomBytes } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import type {
  Bus,
  BusEvents,
  Cluster,
  ClusterDriver,
  ClusterOptions,
  LeaseTimes,
  NodeFacts,
  NodeRecord,
  Registry,
  RegistryEvents,
} from '../cluster.ts'

/** A real server (or several that act as one), started for a test, and what a test may do to it. */
export interface ContractBroker {
  /** A way to the broker for one node, that can be cut without touching the others. */
  way(): ContractWay
  /** Kills it: no goodbye. */
  stop(): Promise<void>
  /** Starts it again, where it was. Resolves once it serves, which takes several servers up to a minute. */
  start(): Promise<void>
  /** Stops it from doing anything, with its connections open (SIGSTOP). */
  pause(): Promise<void>
  resume(): Promise<void>
  dispose(): Promise<void>
}

export interface ContractWay {
  readonly driver: ClusterDriver
  /** Drops the connections and takes no new ones. */
  cut(): void
  heal(): void
}

/** What one driver can do, besides the broker to do it with. */
export interface ContractSubject {
  readonly name: string
  launch(): Promise<ContractBroker>
  readonly bus?: boolean
  readonly registry?: boolean
  readonly history?: boolean
}

export const quickLease: LeaseTimes = { beat: 300, suspect: 900, dead: 1_800 }

/** For what has to happen; far longer than it takes. */
export const patience = 15_000

export async function eventually(holds: () => boolean, what: string, milliseconds = patience): Promise<void> {
  const deadline = performance.now() + milliseconds
  while (!holds()) {
    if (performance.now() > deadline) throw new Error(`not within ${milliseconds} ms: ${what}`)
    await sleep(5)
  }
}

/** Everything that one test makes, closed at its end. */
export class Bench implements AsyncDisposable {
  readonly broker: ContractBroker
  readonly namespace = `t${randomBytes(6).toString('hex')}`
  readonly #closing: (() => Promise<void>)[] = []
  readonly lines: string[] = []

  constructor(broker: ContractBroker) {
    this.broker = broker
  }

  cluster(way: ContractWay = this.broker.way(), lease: LeaseTimes = quickLease): Cluster {
    const note = (fields: object, message: string) => {
      this.lines.push(`${message} ${JSON.stringify(fields)}`)
    }
    const options: ClusterOptions = {
      namespace: this.namespace,
      lease,
      log: { info: note, warn: note },
    }
    const cluster = way.driver.connect(options)
    this.#closing.push(() => cluster.bus.close())
    this.#closing.push(() => cluster.registry.close())
    const { history } = cluster
    if (history !== null) this.#closing.push(() => history.close())
    return cluster
  }

  /** A started bus, with what it tells. */
  async bus(way?: ContractWay): Promise<{ bus: Bus; heard: BusRecorder }> {
    const { bus } = this.cluster(way)
    const heard = new BusRecorder()
    await bus.start(heard, patience)
    return { bus, heard }
  }

  /** A started registry, with what it tells. */
  async node(id: string, way?: ContractWay): Promise<BenchNode> {
    const node = this.unstarted(id, way)
    await node.start()
    return node
  }

  unstarted(id: string, way?: ContractWay): BenchNode {
    return new BenchNode(id, this.cluster(way).registry)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#closing.map((close) => close()))
  }
}

export interface Heard {
  readonly channel: string
  readonly payload: Uint8Array
}

export class BusRecorder implements BusEvents {
  readonly messages: Heard[] = []
  readonly states: string[] = []
  /** Set while a method of the bus runs: nothing may be told then. */
  inside = false
  toldInside = 0

  message(channel: string, payload: Uint8Array): void {
    this.#note()
    this.messages.push({ channel, payload })
  }

  down(): void {
    this.#note()
    this.states.push('down')
  }

  up(): void {
    this.#note()
    this.states.push('up')
  }

  texts(channel?: string): string[] {
    return this.messages
      .filter((message) => channel === undefined || message.channel === channel)
      .map(({ payload }) => new TextDecoder().decode(payload))
  }

  #note(): void {
    if (this.inside) this.toldInside += 1
  }
}

/** One node's registry, and what it tells as lines: `joined b 2`. Incarnations are told by their order. */
export class BenchNode implements RegistryEvents {
  readonly id: string
  readonly registry: Registry
  readonly told: string[] = []
  readonly incarnations: number[] = []
  doubts = 0
  facts: NodeFacts
  self: NodeRecord | null = null

  constructor(id: string, registry: Registry) {
    this.id = id
    this.registry = registry
    this.facts = { id, address: `10.0.0.1:${id.length}`, state: 'active', connections: 0 }
  }

  async start(milliseconds = patience): Promise<void> {
    this.self = await this.registry.start(() => this.facts, this, milliseconds)
  }

  get others(): string[] {
    return this.registry
      .nodes()
      .map(({ id }) => id)
      .filter((id) => id !== this.id)
      .sort()
  }

  /** What was told of one node. */
  of(id: string): string[] {
    return this.told.filter((line) => line.split(' ')[1] === id).map((line) => line.replace(` ${id}`, ''))
  }

  joined(node: NodeRecord): void {
    this.incarnations.push(node.incarnation)
    this.told.push(`joined ${node.id}`)
  }

  changed(node: NodeRecord): void {
    this.told.push(`changed ${node.id} ${node.state} ${node.connections}`)
  }

  suspected(node: NodeRecord): void {
    this.told.push(`suspected ${node.id}`)
  }

  recovered(node: NodeRecord): void {
    this.told.push(`recovered ${node.id}`)
  }

  left(node: NodeRecord, why: string): void {
    this.told.push(`left ${node.id} ${why}`)
  }

  lost(why: string): void {
    this.told.push(`lost - ${why}`)
  }

  doubted(): void {
    this.doubts += 1
  }

  regained(self: NodeRecord): void {
    this.self = self
    this.told.push('regained -')
  }

  down(): void {
    this.told.push('down -')
  }

  up(): void {
    this.told.push('up -')
  }
}

export const bytes = (text: string): Uint8Array => new TextEncoder().encode(text)

/** How a promise ended: its value, or the code of its error. */
export async function outcome<T>(promise: Promise<T>): Promise<T | string> {
  try {
    return await promise
  } catch (error) {
    return (error as { code?: string }).code ?? String(error)
  }
}
