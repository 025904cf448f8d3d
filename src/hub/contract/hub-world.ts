import { seededRandom } from '../../core/balancing/contract/seeded-random.ts'
import type { Clock } from '../clock.ts'
import { ClusterNode } from '../cluster/cluster-node.ts'
import type { Bus, Cluster, ClusterDriver, LeaseTimes } from '../cluster.ts'
import type { Address, ClusterHalf, Data, LocalHub, Order, Recovery } from '../local.ts'

const usualLease: LeaseTimes = { beat: 3_000, suspect: 7_000, dead: 15_000 }

/** Where nodes get their cluster from. */
export interface WorldBroker {
  readonly driver: ClusterDriver
}

/** Whether something that arrives is lost. */
export type Lose = (channel: string, payload: Uint8Array) => boolean

export interface WorldOptions {
  readonly lease?: LeaseTimes
  readonly watched?: readonly string[]
  /** Which rooms have history. */
  readonly keeps?: (room: string) => boolean
}

/** One connection, with what it got. */
export interface WorldClient {
  readonly id: string
  readonly user: string
  readonly rooms: Set<string>
  readonly got: { data: Data; epoch: string; offset: number }[]
  open: boolean
}

/** A local half that is only lists: the cluster half's side of the port is what is tested. */
export class WorldNode implements LocalHub {
  readonly id: string
  readonly cluster: Cluster
  readonly half: ClusterNode
  readonly clients = new Map<string, WorldClient>()
  /** `join room user`, `leave room user`, in the order in which they were told. */
  readonly told: string[] = []
  readonly gaps: string[] = []
  /** What listeners threw. */
  readonly failures: unknown[] = []
  readonly #keeps: (room: string) => boolean
  #next = 0

  constructor(
    id: string,
    broker: WorldBroker,
    clock: Clock,
    lose: Lose = () => false,
    { lease = usualLease, watched = [], keeps = (room) => room.startsWith('h') }: WorldOptions = {},
  ) {
    this.id = id
    this.#keeps = keeps
    const log = { info() {}, warn() {} }
    const cluster = broker.driver.connect({ namespace: 'world', lease, log })
    this.cluster = { ...cluster, bus: losing(cluster.bus, lose) }
    Object.assign(this.cluster, { [whole]: cluster })
    this.half = new ClusterNode({
      cluster: this.cluster,
      local: this,
      clock,
      random: seededRandom(id.charCodeAt(0)),
      facts: () => ({ id, address: null, state: 'active', connections: this.clients.size }),
      failed: (error) => this.failures.push(error),
      watched,
      hasPresence: (room) => room.startsWith('p'),
      history: (room) => (keeps(room) ? { size: 50, age: 300_000 } : null),
      presenceGrace: 5_000,
      questionTimeout: 5_000,
      probeEvery: 2_000,
      maxRecovered: 30,
    })
    this.half.events.on('presence.joined', ({ room, user }) => this.told.push(`join ${room} ${user}`))
    this.half.events.on('presence.left', ({ room, user }) => this.told.push(`leave ${room} ${user}`))
    this.half.events.on('history.lost', ({ room, after, before }) =>
      this.gaps.push(`${room} ${after.epoch}:${after.offset} ${before.epoch}:${before.offset}`),
    )
  }

  /** As the driver made it. */
  get made(): Cluster {
    return (this.cluster as Cluster & { [whole]: Cluster })[whole]
  }

  connect(user: string): WorldClient {
    const client = { id: `${this.id}.${++this.#next}`, user, rooms: new Set<string>(), got: [], open: true }
    const first = this.count({ kind: 'user', id: user }) === 0
    this.clients.set(client.id, client)
    if (first) this.half.userArrived(user)
    return client
  }

  disconnect(client: WorldClient): void {
    if (!client.open) return
    client.open = false
    for (const room of [...client.rooms]) this.leave(client, room)
    this.clients.delete(client.id)
    if (this.count({ kind: 'user', id: client.user }) === 0) this.half.userLeft(client.user)
  }

  join(client: WorldClient, room: string): void {
    if (!client.open || client.rooms.has(room)) return
    const first = this.count({ kind: 'room', name: room }) === 0
    client.rooms.add(room)
    if (first) this.half.roomOccupied(room)
    this.half.present(room, client.user, this.membersOf(room).get(client.user) ?? 0)
  }

  leave(client: WorldClient, room: string): void {
    if (!client.rooms.delete(room)) return
    if (this.count({ kind: 'room', name: room }) === 0) this.half.roomEmptied(room)
    this.half.present(room, client.user, this.membersOf(room).get(client.user) ?? 0)
  }

  /** Comes into a room with history where it left it. */
  async recover(
    client: WorldClient,
    room: string,
    since: { epoch: string; offset: number } | null,
    signal = new AbortController().signal,
  ) {
    let recovery: Recovery | null = null
    const admit = (found: Recovery) => {
      recovery = found
      if (!client.open) return
      this.join(client, room)
      for (const { data, position } of found.messages) client.got.push({ data, ...position })
    }
    await this.half.recover(room, since, admit, signal)
    return recovery as Recovery | null
  }

  send(to: Address, data: Data, except: string | null = null) {
    const order: Order = { do: 'send', data, except, key: null, position: null }
    if (!(to.kind === 'room' && this.#keeps(to.name))) this.apply(to, order)
    return (this.half as ClusterHalf).relay(to, order)
  }

  apply(to: Address, order: Order): number {
    const clients = this.#of(to)
    for (const client of clients) {
      if (order.do === 'join') this.join(client, order.room)
      else if (order.do === 'leave') this.leave(client, order.room)
      else if (order.do === 'close') this.disconnect(client)
      else if (order.except !== client.id) {
        const { epoch = '', offset = 0 } = order.position ?? {}
        client.got.push({ data: order.data, epoch, offset })
      }
    }
    return clients.length
  }

  count(to: Address): number {
    return this.#of(to).length
  }

  membersOf(room: string): ReadonlyMap<string, number> {
    const members = new Map<string, number>()
    for (const { user } of this.#of({ kind: 'room', name: room })) {
      members.set(user, (members.get(user) ?? 0) + 1)
    }
    return members
  }

  *rooms(): Iterable<string> {
    yield* new Set([...this.clients.values()].flatMap(({ rooms }) => [...rooms]))
  }

  *users(): Iterable<string> {
    yield* new Set([...this.clients.values()].map(({ user }) => user))
  }

  #of(to: Address): WorldClient[] {
    const clients = [...this.clients.values()]
    if (to.kind === 'everybody') return clients
    if (to.kind === 'room') return clients.filter(({ rooms }) => rooms.has(to.name))
    return clients.filter((client) => (to.kind === 'user' ? client.user : client.id) === to.id)
  }
}

const whole = Symbol('whole')

/** A bus that loses what it is told to, in silence: more than the port allows, so that healing is seen. */
function losing(bus: Bus, lose: Lose): Bus {
  return {
    start: (events, patience) =>
      bus.start(
        {
          message(channel, payload) {
            if (!lose(channel, payload)) events.message(channel, payload)
          },
          down: (reason) => events.down(reason),
          up: () => events.up(),
        },
        patience,
      ),
    publish: (channel, payload) => bus.publish(channel, payload),
    subscribe: (channel) => bus.subscribe(channel),
    unsubscribe: (channel) => bus.unsubscribe(channel),
    reconnect: (reason) => bus.reconnect(reason),
    close: () => bus.close(),
  }
}
