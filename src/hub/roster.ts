import type { Position } from './cluster.ts'
import { Groups } from './groups.ts'
import type { LiveConnection } from './live-connection.ts'
import type { Address, ClusterHalf, Data, LocalHub, Order } from './local.ts'
import { Message } from './message.ts'
import { allUsers, isName } from './names.ts'
import type { WideRooms } from './wide-rooms.ts'

const nobody: readonly LiveConnection[] = []

/** Connections of this node that an order concerned, and those of them that did not take its message. */
export interface Reached {
  readonly local: number
  readonly dropped: number
}

/** What a roster has to know of rooms. */
export interface RosterRules {
  hasPresence(room: string): boolean
  /** What the clients of a room are sent: with history, what its stamp makes of the message. Does not throw. */
  stamp(room: string, data: Data, position: Position | null): Data
}

/** Who is connected to this node, in which rooms, and as whom. Tells the cluster half what changes. */
export class Roster implements LocalHub {
  /** Those that are open, by id. */
  readonly #connections = new Map<string, LiveConnection>()
  /** Those that are being closed. */
  readonly #leaving = new Set<LiveConnection>()
  /** Devices of each user in each room with presence, by the names of both. */
  readonly #devices = new Map<string, number>()
  readonly #rooms = new Groups<LiveConnection>()
  readonly #users = new Groups<LiveConnection>()
  /** Set once, before the first connection: the cluster half needs the roster, too. */
  cluster: ClusterHalf

  readonly #rules: RosterRules
  readonly #wide: WideRooms

  constructor(cluster: ClusterHalf, rules: RosterRules, wide: WideRooms) {
    this.cluster = cluster
    this.#rules = rules
    this.#wide = wide
  }

  /** Connections, those that are being closed included. */
  get size(): number {
    return this.#connections.size + this.#leaving.size
  }

  get roomCount(): number {
    return this.#rooms.size
  }

  get userCount(): number {
    return this.#users.size
  }

  /** Those that are open. */
  connections(): IterableIterator<LiveConnection> {
    return this.#connections.values()
  }

  connection(id: string): LiveConnection | undefined {
    return this.#connections.get(id)
  }

  rooms(): Iterable<string> {
    return this.#rooms.names()
  }

  users(): Iterable<string> {
    return this.#users.names()
  }

  count(to: Address): number {
    if (to.kind === 'room') return this.#rooms.count(to.name)
    if (to.kind === 'user') return this.#users.count(to.id)
    if (to.kind === 'everybody') return this.#connections.size
    return this.#connections.has(to.id) ? 1 : 0
  }

  membersOf(room: string): ReadonlyMap<string, number> {
    const members = new Map<string, number>()
    for (const { user, id } of this.#rooms.of(room)) {
      const name = user ?? id
      members.set(name, (members.get(name) ?? 0) + 1)
    }
    return members
  }

  apply(to: Address, order: Order): number {
    return this.carryOut(to, order).local
  }

  /** Like `apply`, and says more of a message. */
  carryOut(to: Address, order: Order): Reached {
    if (order.do === 'send') {
      const sent = to.kind === 'room' ? this.#rules.stamp(to.name, order.data, order.position) : order.data
      return this.#send(to, new Message(sent), order)
    }
    // They may leave the room that is being walked over.
    const concerned = [...this.#of(to)]
    for (const connection of concerned) {
      if (order.do === 'close') connection.shut(order.reason)
      else if (order.do === 'leave') connection.leave(order.room)
      else if (isName(order.room)) connection.join(order.room)
    }
    return { local: concerned.length, dropped: 0 }
  }

  /** Sends one message to all of them but one, and but those who have it. */
  #send(to: Address, message: Message, { except, key, position }: Extract<Order, { do: 'send' }>): Reached {
    const kind = position === null ? 'plain' : 'placed'
    const all = this.#of(to)
    const wide = to.kind === 'room' ? this.#wide.of(to.name, all) : null
    const excepted = except === null ? undefined : this.#connections.get(except)
    const { reached, rest } = wide?.publish(message, excepted) ?? { reached: 0, rest: all }
    let local = reached
    let dropped = 0
    for (const connection of rest) {
      if (connection.id === except) continue
      if (connection.had !== null && to.kind === 'room' && has(connection.had, to.name, position)) continue
      local++
      const result = connection.deliver(message, key, kind)
      if (result === 'dropped' || result === 'closed') dropped++
    }
    return { local, dropped }
  }

  // ------------------------------------------------------------------------------------------ as connections say

  enter(connection: LiveConnection): void {
    const { id, user } = connection
    this.#connections.set(id, connection)
    if (user === null) return
    if (this.#users.add(user, connection)) this.cluster.userArrived(user)
    this.#tellOnline(user)
  }

  join(connection: LiveConnection, room: string): boolean {
    connection.roomNames ??= new Set()
    if (connection.roomNames.has(room)) return false
    connection.roomNames.add(room)
    if (this.#rooms.add(room, connection)) this.cluster.roomOccupied(room)
    this.#wide.joined(connection, room)
    this.#tellPresence(connection, room, 1)
    return true
  }

  leave(connection: LiveConnection, room: string): boolean {
    if (connection.roomNames?.delete(room) !== true) return false
    if (connection.roomNames.size === 0) connection.roomNames = null
    connection.had?.delete(room)
    const last = this.#rooms.remove(room, connection)
    this.#wide.left(connection, room)
    this.#tellPresence(connection, room, -1)
    if (last) this.cluster.roomEmptied(room)
    return true
  }

  /** Leaves its rooms and its user, and is addressed no more. It still belongs to `size` until it is `gone`. */
  depart(connection: LiveConnection): void {
    for (const room of connection.rooms) this.leave(connection, room)
    const { id, user } = connection
    this.#connections.delete(id)
    this.#leaving.add(connection)
    if (user === null) return
    if (this.#users.remove(user, connection)) this.cluster.userLeft(user)
    this.#tellOnline(user)
  }

  gone(connection: LiveConnection): void {
    this.#leaving.delete(connection)
  }

  #tellOnline(user: string): void {
    if (this.#rules.hasPresence(allUsers)) this.cluster.present(allUsers, user, this.#users.count(user))
  }

  #tellPresence({ id, user }: LiveConnection, room: string, more: 1 | -1): void {
    if (!this.#rules.hasPresence(room)) return
    const name = user ?? id
    // No name has a line end in it.
    const place = `${room}\n${name}`
    const devices = (this.#devices.get(place) ?? 0) + more
    if (devices === 0) this.#devices.delete(place)
    else this.#devices.set(place, devices)
    this.cluster.present(room, name, devices)
  }

  #of(to: Address): Iterable<LiveConnection> {
    if (to.kind === 'room') return this.#rooms.of(to.name)
    if (to.kind === 'user') return this.#users.of(to.id)
    if (to.kind === 'everybody') return this.#connections.values()
    const connection = this.#connections.get(to.id)
    return connection === undefined ? nobody : [connection]
  }
}

/** Whether a client that came in with its position, and without what it missed, has this already. */
function has(had: ReadonlyMap<string, Position>, room: string, position: Position | null): boolean {
  const last = had.get(room)
  if (last === undefined || position === null) return false
  return last.epoch === position.epoch && position.offset <= last.offset
}
