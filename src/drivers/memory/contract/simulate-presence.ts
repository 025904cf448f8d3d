import type { WorldNode } from '../../../hub/contract/hub-world.ts'
import { MemoryWorld } from './memory-world.ts'

const rooms = ['p1', 'p2', 'p3']
const dead = 15_000
const grace = 5_000
/** To connect again, to take a lease, to look, and to be asked: a beat and some. */
const comeBack = 6_000
/** Kinds of messages, as they stand on the wire. */
const digest = 2

/** Something that is not as promised. */
export type Problem = string

/**
 * Clients come and go, nodes are cut from the bus, the registry or both, crash, start again under their names, brokers
 * stop, messages are lost. Then all that ends, and everybody has to know what is true, soon.
 */
export class PresenceSimulation {
  readonly #world: MemoryWorld
  readonly #seed: number
  readonly #problems: Problem[] = []
  readonly #cut = new Set<string>()
  readonly #watching = new Set<WorldNode>()
  #born = 0
  #lossy = true

  constructor(seed: number) {
    this.#seed = seed
    this.#world = new MemoryWorld(seed)
    // More than the port allows. A digest is what finds a change that was lost, so it is not lost as well.
    this.#world.lose = (channel, payload) =>
      this.#lossy &&
      /^(presence|node)\./.test(channel) &&
      payload[1] !== digest &&
      this.#world.random() < 0.05
  }

  async run(steps = 150): Promise<readonly Problem[]> {
    const { clock, random, nodes } = this.#world
    for (const id of 'abcd') {
      this.#begin(id, null)
      await clock.advance(random() * 1_000)
    }
    for (let step = 0; step < steps; step++) {
      await this.#step()
      if (random() < 0.1) void this.#ask(this.#pick(nodes) as WorldNode)
      await clock.advance(this.#pause())
    }
    await this.#lastAct()
    await this.#end()
    await this.#world.close()
    return this.#problems
  }

  #pause(): number {
    const { random } = this.#world
    const dice = random()
    // Longer than a node is dead, and longer than a room is looked at that nobody is in.
    if (dice < 0.03) return 30_000 + random() * 30_000
    return dice < 0.1 ? random() * 20_000 : random() * 500
  }

  #pick<T>(items: readonly T[]): T | undefined {
    return items[Math.floor(this.#world.random() * items.length)]
  }

  /** Somebody of most nodes is in each room all the time, so that they look all the time; at others nobody is. */
  #watch(node: WorldNode): void {
    if (this.#world.random() < 0.3) return
    this.#watching.add(node)
    for (const name of rooms) node.join(node.connect(`watcher ${node.id}`), name)
  }

  async #step(): Promise<void> {
    const world = this.#world
    const { nodes, random } = world
    const node = this.#pick(nodes) as WorldNode
    const client = this.#pick([...node.clients.values()].filter(({ user }) => user.startsWith('u')))
    const room = this.#pick(rooms) as string
    const dice = random()
    if (dice < 0.4) node.join(node.connect(`u${Math.floor(random() * 15)}`), room)
    else if (dice < 0.55) client && node.disconnect(client)
    else if (dice < 0.66) client && node.join(client, room)
    else if (dice < 0.74) client && node.leave(client, room)
    else if (dice < 0.77) this.#isolate(node, 'bus')
    else if (dice < 0.8) this.#isolate(node, 'registry')
    else if (dice < 0.82) this.#isolate(node, 'bus', 'registry')
    else if (dice < 0.9) this.#healAll()
    else if (dice < 0.92) world.kick(node)
    else if (dice < 0.94) nodes.length > 2 && world.crash(node)
    else if (dice < 0.96) this.#begin(node.id, node)
    else if (dice < 0.97) nodes.length < 6 && this.#begin(`n${++this.#born}`, null)
    else await this.#stop()
  }

  /**
   * Nodes are apart for longer than a change is told again and than a room is looked at that nobody is in, and nothing
   * happens afterwards that would tell of what was missed.
   */
  async #lastAct(): Promise<void> {
    const { clock, nodes, random } = this.#world
    for (const node of nodes) {
      const dice = random()
      if (dice < 0.3) this.#isolate(node, 'bus')
      else if (dice < 0.4) this.#isolate(node, 'registry')
      else if (dice < 0.5) this.#isolate(node, 'bus', 'registry')
      const leaves = this.#watching.has(node) ? 0.3 : 1
      for (const client of [...node.clients.values()]) {
        if (client.user.startsWith('u') && random() < leaves) node.disconnect(client)
      }
    }
    await clock.advance(random() < 0.5 ? 35_000 + random() * 30_000 : random() * 12_000)
  }

  #isolate(node: WorldNode, ...parts: ('bus' | 'registry')[]): void {
    this.#world.cut(node, ...parts)
    if (parts.includes('bus')) this.#cut.add(node.id)
  }

  #healAll(): void {
    for (const node of this.#world.nodes) this.#world.heal(node, 'bus', 'registry')
    this.#cut.clear()
  }

  /** Starts a node: a new one, or one that takes the place of another, which is dead or does not know it yet. */
  #begin(id: string, before: WorldNode | null): void {
    const world = this.#world
    if (before !== null && world.random() < 0.5) world.crash(before)
    else if (before !== null) world.forget(before)
    this.#cut.delete(id)
    const node = world.make(id)
    this.#watch(node)
    node.half.events.on('node.left', ({ node: gone, why }) => {
      const late = why === 'dead' ? world.nodes.find((each) => each.id === gone.id) : undefined
      if (!late?.half.ready()) return
      const [self] = late.half.nodes()
      if (self?.incarnation === gone.incarnation)
        this.#complain(`${gone.id} is ready, and ${id} has let it go`)
    })
    void node.half.start(60_000)
  }

  async #stop(): Promise<void> {
    const { brokers, clock, random } = this.#world
    const broker = random() < 0.5 ? brokers.bus : brokers.registry
    broker.stop()
    await clock.advance(random() * 20_000)
    broker.start()
  }

  /** Every node that one knows has answered or is named; and who hears nothing says so. */
  async #ask(node: WorldNode): Promise<void> {
    const known = node.half.nodes().map(({ id }) => id)
    const alone = this.#cut.has(node.id)
    const at = this.#world.clock.now()
    const counted = node.half.count({ kind: 'everybody' })
    if (alone) {
      const { missing } = await node.half.presence.count('p1')
      const named = new Set(missing.map((each) => each.node))
      const unnamed = known.filter((id) => id !== node.id && !named.has(id))
      if (unnamed.length > 0) this.#complain(`${node.id}, which hears nothing, does not name ${unnamed}`, at)
    }
    const { results, missing } = await counted
    const told = [...results, ...missing].map((each) => each.node)
    const unnamed = known.filter((id) => !told.includes(id))
    if (unnamed.length > 0) this.#complain(`${node.id} asked, and does not name ${unnamed}`, at)
    if (new Set(told).size < told.length) this.#complain(`${node.id} asked, and names twice: ${told}`, at)
    if (alone && results.some((each) => each.node !== node.id))
      this.#complain(`${node.id} heard, cut off`, at)
  }

  async #end(): Promise<void> {
    const { clock, nodes } = this.#world
    this.#healAll()
    this.#lossy = false
    await clock.advance(dead + grace + comeBack)
    const ids = nodes.map(({ id }) => id).sort()
    for (const node of nodes) {
      const seen = node.half.nodes().map(({ id }) => id)
      if (String(seen.sort()) !== String(ids)) this.#complain(`${node.id} knows ${seen}, there are ${ids}`)
      if (!node.half.ready()) this.#complain(`${node.id} is not ready`)
      if (node.failures.length > 0) this.#complain(`${node.id} failed: ${node.failures}`)
      if (this.#watching.has(node) && !alternates(node.told))
        this.#complain(`${node.id} told twice: ${node.told}`)
      for (const name of rooms) await this.#compare(node, name)
    }
  }

  async #compare(node: WorldNode, name: string): Promise<void> {
    const truth = new Set(this.#world.nodes.flatMap((each) => [...each.membersOf(name).keys()]))
    const asked = this.#world.clock.now()
    const listing = node.half.presence.list(name, 0, 10_000)
    const late = listing.then(() => this.#world.clock.now() - asked > 1_000)
    await this.#world.clock.advance(50)
    // One that has to wait still lacks something.
    const { value, missing } = await this.#world.after(listing, 6_000)
    if (await late) this.#complain(`${node.id} does not know ${name} yet`)
    const [found, there] = [[...value.items].sort(), [...truth].sort()]
    if (String(found) !== String(there)) this.#complain(`${node.id} lists ${name}: ${found}; true: ${there}`)
    if (missing.length > 0) this.#complain(`${node.id} misses ${JSON.stringify(missing)} of ${name}`)
  }

  #complain(what: string, at = this.#world.clock.now()): void {
    this.#problems.push(`seed ${this.#seed} at ${Math.round(at)} ms: ${what}`)
  }
}

/** For one user and room `join` and `leave` take turns. */
function alternates(told: readonly string[]): boolean {
  const last = new Map<string, string>()
  for (const line of told) {
    const [what, ...who] = line.split(' ') as [string, ...string[]]
    if (last.get(who.join(' ')) === what) return false
    last.set(who.join(' '), what)
  }
  return true
}
