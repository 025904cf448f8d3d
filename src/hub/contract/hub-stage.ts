import { randomBytes } from 'node:crypto'
import type { Connection } from '../connection.ts'
import type { Hub } from '../hub.ts'
import type { HubOptions } from '../options.ts'
import { type ContractBroker, type ContractWay, eventually } from './cluster-rig.ts'
import { Device } from './device.ts'
import { HubRig } from './hub-rig.ts'

/** What a client said of itself. */
interface Told {
  readonly query: URLSearchParams
}

/** One node: a hub behind a real server, with what its listeners were told. */
export interface StageNode {
  readonly hub: Hub<Told>
  readonly port: number
  readonly told: string[]
  /** By user. */
  readonly connections: Map<string, Connection<Told>>
  readonly way: ContractWay
  open(user: string, rooms?: string, since?: string): Promise<Device>
}

/** Several real hubs over one real broker, and the same program on each. */
export class HubStage implements AsyncDisposable {
  readonly nodes: StageNode[] = []
  readonly #broker: ContractBroker
  readonly #namespace = `t${randomBytes(6).toString('hex')}`
  readonly #rigs: HubRig<Told>[] = []

  private constructor(broker: ContractBroker) {
    this.#broker = broker
  }

  /** Nodes that know each other and hear themselves. */
  static async start(broker: ContractBroker, names: readonly string[]): Promise<HubStage> {
    const stage = new HubStage(broker)
    for (const name of names) await stage.add(name)
    await stage.whole()
    return stage
  }

  /** One more node, which begins. */
  async add(name: string): Promise<StageNode> {
    const node = await this.#node(name)
    this.nodes.push(node)
    return node
  }

  /** All nodes are ready, and see all. */
  async whole(): Promise<void> {
    const { nodes } = this
    await eventually(
      () => nodes.every(({ hub }) => hub.ready() && hub.nodes().length === nodes.length),
      'all nodes are ready and see all',
    )
  }

  /** Sends to a room from one node until a device at another one hears it, so that its interest is in force. */
  async reach(from: StageNode, room: string, ...devices: readonly Device[]): Promise<void> {
    let sent = 0
    await eventually(() => {
      if (sent++ % 10 === 0) void from.hub.room(room).send('knock')
      return devices.every(({ got }) => got.includes('knock'))
    }, `${room} is heard`)
    for (const { got } of devices) got.splice(0)
  }

  /** A node knows who is in a room: who is found there did not come, and who comes from now on is told to have come. */
  async knows({ hub }: StageNode, room: string): Promise<void> {
    await eventually(() => hub.room(room).localCount > 0, 'somebody is there')
    let missing = 1
    while (missing > 0) missing = (await hub.room(room).presence.count()).missing.length
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#rigs.map((rig) => rig.close()))
  }

  async #node(name: string): Promise<StageNode> {
    const way = this.#broker.way()
    const rig = await HubRig.start(options(name, this.#namespace, way))
    this.#rigs.push(rig)
    const { hub } = rig
    const node: StageNode = {
      hub,
      port: rig.port,
      told: [],
      connections: new Map(),
      way,
      open: (user, rooms = '', since = '') => Device.open(rig.port, { user, rooms, since }),
    }
    hub.on('connection', async (connection) => {
      const { user, data } = connection
      const { query } = data
      node.connections.set(user ?? connection.id, connection)
      for (const room of query.get('rooms')?.split(',') ?? []) {
        if (room === '') continue
        const since = query.get('since')
        if (since === null || since === '') connection.join(room)
        else {
          const { recovered, complete } = await connection.join(room, { since: JSON.parse(since) })
          node.told.push(`recovered ${recovered} ${complete ? 'all' : 'not all'}`)
        }
      }
    })
    hub.on('userJoined', ({ room, user }) => node.told.push(`join ${room} ${user}`))
    hub.on('userLeft', ({ room, user }) => node.told.push(`leave ${room} ${user}`))
    hub.on('userOnline', ({ user }) => node.told.push(`online ${user}`))
    hub.on('userOffline', ({ user }) => node.told.push(`offline ${user}`))
    hub.on('nodeLeft', ({ node: { id }, why }) => node.told.push(`left ${id} ${why}`))
    hub.on('brokerLost', ({ part }) => node.told.push(`lost ${part}`))
    hub.on('brokerBack', ({ part }) => node.told.push(`back ${part}`))
    hub.on('gap', ({ room }) => node.told.push(`gap ${room}`))
    return node
  }
}

function options(node: string, namespace: string, way: ContractWay): HubOptions<Told> {
  return {
    node,
    namespace,
    cluster: way.driver,
    lease: { beat: '300ms', suspect: '900ms', dead: '1800ms' },
    presenceGrace: '500ms',
    userPresence: true,
    rooms: {
      'p-*': { presence: true },
      'h-*': {
        history: {
          size: 500,
          stamp: (data, position) => JSON.stringify({ text: String(data), ...position }),
        },
      },
    },
    dangerouslyAcceptAnyOrigin: true,
    authenticate: ({ url }) => {
      const query = new URL(url, 'ws://host').searchParams
      return { user: query.get('user') ?? '', data: { query } }
    },
  }
}
