/**
 * One node of a cluster, with the program of the fault tests: it lets clients into rooms, sends what they say to the
 * room, and tells them what the hub tells.
 *
 *     hub-main.ts OPTIONS
 */
import { randomBytes } from 'node:crypto'
import { nats } from '../../../src/drivers/nats/nats-driver.ts'
import { redis } from '../../../src/drivers/redis/redis-driver.ts'
import type { LeaseTimes } from '../../../src/hub/cluster.ts'
import { HubRig } from '../../../src/hub/contract/hub-rig.ts'
import type { Connection, Delivery, HubStats, Missing, Position } from '../../../src/hub.ts'
import { answerAll } from '../../resilience/support/answering.ts'
import type { FromClient, Sent, ToClient } from './lines.ts'

/** What a node is started with. */
export interface NodeOptions {
  readonly node: string
  readonly namespace: string
  readonly broker: BrokerName
  /** Of the broker, or of what stands before it. */
  readonly port: number
  /** Milliseconds. */
  readonly times: {
    readonly lease: LeaseTimes
    readonly presenceGrace: number
    readonly questionTimeout: number
  }
}

export type BrokerName = keyof typeof drivers

export type NodeCommand =
  | { readonly do: 'port' | 'look' | 'ask' | 'close' }
  /** What was told since the last time. */
  | { readonly do: 'told' }
  | { readonly do: 'say'; readonly room: string; readonly sender: string; readonly n: number }
  /** Who is in these rooms, and who is connected at all. */
  | { readonly do: 'presence'; readonly rooms: readonly string[] }

export interface NodeLook {
  readonly ready: boolean
  readonly nodes: readonly string[]
  readonly stats: HubStats
  /** What became of what was sent, by status. */
  readonly sent: Readonly<Record<string, number>>
}

export interface NodeAnswers {
  readonly results: readonly string[]
  readonly missing: readonly Missing[]
  /** Milliseconds. */
  readonly took: number
}

export interface NodePresence {
  /** By room; that of everybody who is connected is ''. */
  readonly users: Readonly<Record<string, readonly string[]>>
  readonly missing: readonly Missing[]
}

/** Lines such as `left p-2 u7`, `online u7`, `lease lost expired`. */
export type NodeTold = readonly string[]

const drivers = {
  redis: (port: number) => redis(`redis://127.0.0.1:${port}`),
  nats: (port: number) => nats(`nats://127.0.0.1:${port}`),
}

const { node, namespace, broker, port, times } = JSON.parse(process.argv[2] ?? '') as NodeOptions
const { beat, suspect, dead } = times.lease
const life = `${node}.${randomBytes(4).toString('hex')}`
const sequences = new Map<string, number>()
const sent: Record<string, number> = {}
const connections = new Set<Connection>()
let told: string[] = []

const history = {
  size: 500,
  age: '10m',
  stamp: (data: string | Uint8Array, position: Position | null) =>
    line({ is: 'placed', sent: (JSON.parse(String(data)) as { sent: Sent }).sent, position }),
} as const
const rig = await HubRig.start({
  lease: { beat: `${beat}ms`, suspect: `${suspect}ms`, dead: `${dead}ms` },
  presenceGrace: `${times.presenceGrace}ms`,
  questionTimeout: `${times.questionTimeout}ms`,
  node,
  namespace,
  cluster: drivers[broker](port),
  userPresence: true,
  dangerouslyAcceptAnyOrigin: true,
  // Longer than a busy machine takes to read a Close: nobody is cut off.
  closeTimeout: '10s',
  rooms: { 'h-*': { history }, 'p-*': { presence: true }, 'b-*': { presence: true, history } },
  authenticate: ({ url }) => ({
    user: new URL(url, 'ws://host').searchParams.get('user') ?? '',
    data: undefined,
  }),
})
const { hub } = rig
hub.answer('faults:who', () => node)
hub.on('message', ({ connection, data }) => obey(connection, JSON.parse(String(data)) as FromClient))
hub.on('connection', (connection) => void connections.add(connection))
hub.on('close', ({ connection }) => connections.delete(connection))
hub.on('gap', ({ room, after, before }) => {
  const text = line({ is: 'gap', room, after, before })
  for (const connection of connections) if (connection.rooms.has(room)) connection.send(text)
})
hub.on('userJoined', ({ room, user }) => told.push(`joined ${room} ${user}`))
hub.on('userLeft', ({ room, user }) => told.push(`left ${room} ${user}`))
hub.on('userOnline', ({ user }) => told.push(`online ${user}`))
hub.on('userOffline', ({ user }) => told.push(`offline ${user}`))
hub.on('leaseLost', ({ why }) => told.push(`lease lost ${why}`))
hub.on('nodeLeft', ({ node: { id }, why }) => told.push(`node ${id} ${why}`))
hub.on('slowConsumer', () => told.push('slow'))

async function obey(connection: Connection, said: FromClient): Promise<void> {
  if (said.do === 'say') {
    // Not waited for: the next message of this client is sent behind it all the same.
    void say(said)
    return
  }
  const { room, since } = said
  if (since === undefined) {
    connection.join(room)
    connection.send(line({ is: 'in', room, joined: null }))
    return
  }
  const joined = await connection.join(room, { since })
  connection.send(line({ is: 'in', room, joined }))
}

async function say({ room, sender, n }: { room: string; sender: string; n: number }): Promise<Delivery> {
  const seq = (sequences.get(room) ?? 0) + 1
  sequences.set(room, seq)
  const delivery = await hub
    .room(room)
    .send(line({ is: 'plain', sent: { room, node: life, seq, sender, n } }))
  sent[delivery.status] = (sent[delivery.status] ?? 0) + 1
  return delivery
}

function line(told: ToClient): string {
  return JSON.stringify(told)
}

async function presence(rooms: readonly string[]): Promise<NodePresence> {
  const users: Record<string, string[]> = {}
  const missing: Missing[] = []
  await Promise.all(
    ['', ...rooms].map(async (room) => {
      const view = room === '' ? hub.presence : hub.room(room).presence
      const all: string[] = []
      for (let after: number | null = 0; after !== null; ) {
        const page: Awaited<ReturnType<typeof view.list>> = await view.list({ after, limit: 1_000 })
        all.push(...page.users)
        missing.push(...page.missing)
        after = page.next
      }
      users[room] = all
    }),
  )
  return { users, missing }
}

async function ask(): Promise<NodeAnswers> {
  const before = performance.now()
  const { results, missing } = await hub.ask<string>('faults:who')
  return { results: results.map(({ value }) => value).sort(), missing, took: performance.now() - before }
}

function takeTold(): NodeTold {
  const all = told
  told = []
  return all
}

await answerAll((command: NodeCommand): unknown => {
  switch (command.do) {
    case 'port':
      return rig.port
    case 'look':
      return { ready: hub.ready(), nodes: hub.nodes().map(({ id }) => id), stats: hub.stats(), sent }
    case 'told':
      return takeTold()
    case 'ask':
      return ask()
    case 'say':
      return say(command)
    case 'presence':
      return presence(command.rooms)
    case 'close':
      return rig.close()
  }
})
