import { randomBytes } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import type { LeaseTimes } from '../../../src/hub/cluster.ts'
import { TcpProxy } from '../../../src/hub/contract/tcp-proxy.ts'
import type { Client } from './client.ts'
import { Crowd } from './crowd.ts'
import type { BrokerName, NodeLook, NodeTold } from './hub-main.ts'
import { hasPresence, roomNames } from './lines.ts'
import { NodeProcess } from './node-process.ts'

/** A real broker that the test starts, kills and starts again. */
export interface FaultsBroker {
  readonly kind: BrokerName
  readonly port: number
  /** Kills it. */
  stop(): Promise<void>
  start(): Promise<void>
  /** Nodes of a namespace that it knows of. */
  nodes(namespace: string): Promise<readonly string[]>
  /** What connections to it are subscribed to, in a namespace: the names of all that have something of a channel. */
  subscriptions(namespace: string): Promise<readonly string[]>
  dispose(): Promise<void>
}

export interface StageOptions {
  readonly broker: FaultsBroker
  readonly clients: number
  readonly rooms: number
  readonly messagesPerSecond: number
  readonly lease: LeaseTimes
  readonly presenceGrace: number
  readonly questionTimeout: number
}

/** Milliseconds for what machines may be late by, beyond what is promised. Nobody waits for it that is in time. */
export const slack = 10_000

/** Milliseconds for all to come in on a busy machine, some of them by a second attempt. */
const patience = 40_000

/** Three nodes in processes of their own, one broker, and the crowd. */
export class Stage {
  readonly nodes: readonly NodeProcess[]
  readonly crowd: Crowd
  readonly options: StageOptions
  readonly namespace: string
  readonly #presenceRooms: readonly string[]
  #brokerUp = true

  private constructor(options: StageOptions, namespace: string, nodes: readonly NodeProcess[]) {
    this.options = options
    this.namespace = namespace
    this.nodes = nodes
    const rooms = roomNames(options.rooms)
    this.#presenceRooms = rooms.filter(hasPresence)
    this.crowd = new Crowd({
      clients: options.clients,
      rooms,
      messagesPerSecond: options.messagesPerSecond,
      doors: () => nodes.filter(({ open }) => open).map((node) => ({ node: node.name, port: node.port })),
    })
  }

  static async start(options: StageOptions): Promise<Stage> {
    const { broker, lease, presenceGrace, questionTimeout } = options
    const namespace = `f${randomBytes(6).toString('hex')}`
    const times = { lease, presenceGrace, questionTimeout }
    const nodes = await Promise.all(
      ['a', 'b', 'c'].map(async (node) => {
        const way = await TcpProxy.to(broker.port)
        return new NodeProcess({ node, namespace, broker: broker.kind, times }, way)
      }),
    )
    const stage = new Stage(options, namespace, nodes)
    try {
      await Promise.all(nodes.map((node) => node.start()))
      await stage.together()
    } catch (error) {
      await stage.close()
      throw error
    }
    return stage
  }

  /**
   * Whatever a test has left: all run and see each other, everybody is inside, as many at each node, traffic flows,
   * presence is right and told, and what was found or counted before is forgotten.
   */
  async settle(): Promise<void> {
    const { crowd, nodes } = this
    // What the test before has not looked at is not the fault of the next one.
    crowd.faults()
    if (!this.#brokerUp) await this.startBroker()
    await Promise.all(nodes.map((node) => node.restore()))
    crowd.come()
    await this.together()
    await this.whole(2 * patience)
    await this.#spread()
    await this.presence(nodes, this.goneWithin + slack)
    crowd.startTraffic()
    crowd.countAnew()
    await this.until(patience, 'traffic flows', () => crowd.counts().received > crowd.clients.length)
    await this.delivers()
    await this.told()
    crowd.countAnew()
  }

  /** A kill. */
  async stopBroker(): Promise<void> {
    this.#brokerUp = false
    await this.options.broker.stop()
  }

  async startBroker(): Promise<void> {
    await this.options.broker.start()
    this.#brokerUp = true
  }

  /** In which a node that is silent from now on has been gone with its users for its grace: what is promised. */
  get goneWithin(): number {
    const { lease, presenceGrace } = this.options
    // It is seen with the beat, and users are looked at once a second.
    return lease.dead + presenceGrace + lease.beat + 1_000
  }

  /** These nodes are ready and see each other, and nobody else. */
  async together(nodes = this.nodes, within = slack + this.options.lease.dead): Promise<void> {
    let looks: NodeLook[] = []
    const seen = () =>
      looks.map(({ ready, nodes: others }) => `${ready ? 'ready' : 'not ready'} with ${others}`)
    const what = () => `${names(nodes)} are ready and see each other; they are ${seen().join('; ')}`
    await this.until(within, what, async () => {
      looks = await Promise.all(nodes.map((node) => node.look()))
      return looks.every((look) => look.ready && [...look.nodes].sort().join() === names(nodes))
    })
  }

  /** @param what what is waited for, as it is when that was in vain */
  async until(
    within: number,
    what: string | (() => string),
    holds: () => Promise<boolean> | boolean,
  ): Promise<void> {
    const deadline = performance.now() + within
    while (!(await holds())) {
      if (performance.now() > deadline) {
        throw new Error(`not within ${within} ms: ${typeof what === 'string' ? what : what()}`)
      }
      await sleep(25)
    }
  }

  /** Everybody who is to be in is in. */
  async whole(within = patience): Promise<void> {
    await this.until(within, 'everybody is inside', () => this.crowd.whole)
  }

  /** Moves some, so that there are about as many at each node. */
  async #spread(): Promise<void> {
    const { crowd, nodes } = this
    const share = Math.floor(crowd.clients.length / nodes.length)
    const spare = nodes.flatMap(({ name }) => crowd.at(name).slice(share))
    for (const { name } of nodes) {
      const lacking = share - crowd.at(name).length
      if (lacking > 0) crowd.move(spare.splice(0, lacking), name)
    }
    await this.whole()
  }

  /**
   * Each of these nodes says of each room who is in it, and that is right: nobody missing, no ghost.
   * @param leftOut clients whom these nodes cannot know of
   */
  async presence(
    nodes: readonly NodeProcess[],
    within: number,
    leftOut: ReadonlySet<Client> = new Set(),
  ): Promise<void> {
    let wrong: string[] = []
    const right = async () => {
      const truth = this.crowd.users(leftOut)
      const each = await Promise.all(nodes.map((node) => this.#wrongPresence(node, truth)))
      wrong = each.flat()
      return wrong.length === 0
    }
    const what = () => `presence is right; ${wrong.length} wrong: ${wrong.slice(0, 10).join('; ')}`
    await this.until(within, what, right)
  }

  /** What is said to any room at any of these nodes arrives at every member at them. */
  async delivers(nodes = this.nodes, within = slack * 2): Promise<void> {
    let left = 0
    const round = async () => {
      left = await this.crowd.round(
        nodes.map(({ name }) => name),
        slack,
      )
      return left === 0
    }
    await this.until(within, () => `every message of a round has arrived; ${left} have not`, round)
  }

  /** Events that nodes were told since the last call: those of each one. */
  told(nodes = this.nodes): Promise<NodeTold[]> {
    return Promise.all(nodes.map((node) => node.told()))
  }

  async close(): Promise<void> {
    this.crowd.close()
    await Promise.all(this.nodes.map((node) => node.kill()))
    await Promise.all(this.nodes.map(({ way }) => way.close()))
  }

  async #wrongPresence(node: NodeProcess, truth: ReadonlyMap<string, Set<string>>): Promise<string[]> {
    const { users, missing } = await node.presence(this.#presenceRooms)
    const wrong = missing.map(({ node: of, reason }) => `${node.name} misses ${of}: ${reason}`)
    for (const room of ['', ...this.#presenceRooms]) {
      const expected = truth.get(room) as ReadonlySet<string>
      const found = new Set(users[room])
      const of = `${node.name}, ${room === '' ? 'online' : room}`
      if (found.size !== users[room]?.length) wrong.push(`${of}: somebody is listed twice`)
      for (const user of found) if (!expected.has(user)) wrong.push(`${of}: ghost ${user}`)
      for (const user of expected) if (!found.has(user)) wrong.push(`${of}: without ${user}`)
    }
    return wrong
  }
}

function names(nodes: readonly NodeProcess[]): string {
  return nodes
    .map(({ name }) => name)
    .sort()
    .join()
}
