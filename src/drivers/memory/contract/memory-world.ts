import { seededRandom } from '../../../core/balancing/contract/seeded-random.ts'
import type { Cluster, ClusterDriver } from '../../../hub/cluster.ts'
import { combine } from '../../../hub/combine.ts'
import { type Lose, WorldNode, type WorldOptions } from '../../../hub/contract/hub-world.ts'
import { VirtualClock } from '../../../hub/contract/virtual-clock.ts'
import { MemoryBroker } from '../memory-broker.ts'

/** What of a node's broker fails: what carries messages, or what knows the nodes. */
export type Part = 'bus' | 'registry'

/** Nodes whose messages go over one broker in this process and whose leases are in another, in virtual time. */
export class MemoryWorld {
  readonly clock = new VirtualClock()
  readonly random: () => number
  readonly brokers: Readonly<Record<Part, MemoryBroker>>
  readonly nodes: WorldNode[] = []
  /** Nodes that died without a word: their connections are cut and stay so. */
  readonly crashed: WorldNode[] = []
  lose: Lose = () => false
  readonly #made = new Map<WorldNode, Record<Part, Cluster>>()

  constructor(seed = 1) {
    this.random = seededRandom(seed)
    this.brokers = {
      bus: new MemoryBroker(this.clock, this.random),
      registry: new MemoryBroker(this.clock, this.random),
    }
  }

  /** Not started. */
  make(id: string, options: WorldOptions = {}): WorldNode {
    const made: Partial<Record<Part, Cluster>> = {}
    const remember = (part: Part): ClusterDriver => ({
      name: part,
      connect: (options) => {
        made[part] = this.brokers[part].driver.connect(options)
        return made[part]
      },
    })
    const driver = combine({ bus: remember('bus'), registry: remember('registry') })
    const node = new WorldNode(
      id,
      { driver },
      this.clock,
      (channel, payload) => this.lose(channel, payload),
      options,
    )
    this.#made.set(node, made as Record<Part, Cluster>)
    this.nodes.push(node)
    return node
  }

  async node(id: string): Promise<WorldNode> {
    const node = this.make(id)
    const started = node.half.start(10_000)
    await this.clock.advance(500)
    if (!(await started)) throw new Error(`${id} has not started`)
    return node
  }

  cut(node: WorldNode, ...parts: Part[]): void {
    for (const part of parts) this.brokers[part].cut(this.#partOf(node, part))
  }

  heal(node: WorldNode, ...parts: Part[]): void {
    for (const part of parts) this.brokers[part].heal(this.#partOf(node, part))
  }

  kick(node: WorldNode): void {
    this.brokers.bus.kick(this.#partOf(node, 'bus'))
  }

  /** Is not one of the nodes any more, though it goes on: another has taken its name, or will. */
  forget(node: WorldNode): void {
    this.heal(node, 'bus', 'registry')
    this.nodes.splice(this.nodes.indexOf(node), 1)
    this.crashed.push(node)
  }

  /** Dies without a word. */
  crash(node: WorldNode): void {
    this.cut(node, 'bus', 'registry')
    this.nodes.splice(this.nodes.indexOf(node), 1)
    this.crashed.push(node)
  }

  /** What a promise comes to when so much time goes by. */
  async after<T>(promise: Promise<T>, milliseconds = 100): Promise<T> {
    await this.clock.advance(milliseconds)
    return promise
  }

  async close(): Promise<void> {
    const closing = Promise.all([...this.nodes, ...this.crashed].map(({ half }) => half.close()))
    await this.clock.advance(20_000)
    await closing
  }

  #partOf(node: WorldNode, part: Part): Cluster {
    return (this.#made.get(node) as Record<Part, Cluster>)[part]
  }
}
