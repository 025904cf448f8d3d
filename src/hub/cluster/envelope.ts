import { cutReason, isSendableCode } from '../closing.ts'
import type { Address, Order } from '../local.ts'
import { WireReader, WireWriter } from './wire.ts'

/** Which version of the format this is. Nodes ignore what has another one. */
const version = 2

/** An order and whom it is for. */
export interface Directed {
  readonly to: Address
  readonly order: Order
}

/** Users with the number of their devices; 0 for one that is gone. */
export type Users = readonly (readonly [user: string, devices: number])[]

/** All users of one node in a room, or a part of them. */
export interface RoomSnapshot {
  readonly room: string
  readonly version: number
  readonly part: number
  readonly parts: number
  readonly users: Users
}

/** What nodes say to each other. */
export type NodeMessage =
  | {
      readonly kind: 'orders'
      readonly orders: readonly Directed[]
      /** How many cannot be read, if any: of a kind that is not known here, or such as nobody may give. */
      readonly unread?: number
    }
  /** A change of one node's users in a room. `from` 0: instead of all that was there. */
  | {
      readonly kind: 'delta'
      readonly room: string
      readonly from: number
      readonly to: number
      readonly users: Users
    }
  /** Which version of a room the sender has, so that a lost last change is found. */
  | { readonly kind: 'digest'; readonly room: string; readonly version: number }
  /** Asks for all users of rooms. */
  | { readonly kind: 'sync'; readonly rooms: readonly string[] }
  | { readonly kind: 'snapshot'; readonly rooms: readonly RoomSnapshot[] }
  /** Value and reason are JSON. */
  | { readonly kind: 'question'; readonly id: number; readonly name: string; readonly value: string }
  | {
      readonly kind: 'answer'
      readonly id: number
      readonly outcome: 'failed' | 'ok' | 'unknown'
      readonly value: string
    }
  | { readonly kind: 'event'; readonly name: string; readonly value: string }
  | { readonly kind: 'probe'; readonly count: number }

/** A message with who sent it, in which life, and over which of its connections to the broker. */
export interface Envelope {
  readonly node: string
  readonly incarnation: number
  readonly session: number
  readonly message: NodeMessage
}

/** Who sends. */
export interface Sender {
  readonly id: string
  readonly incarnation: number
  /** Counts its connections to the broker: what comes late over one that it has given up is refused. */
  readonly session: number
}

const kinds = [
  'orders',
  'delta',
  'digest',
  'sync',
  'snapshot',
  'question',
  'answer',
  'event',
  'probe',
] as const
const addressKinds = ['room', 'user', 'connection', 'everybody'] as const
const orderKinds = ['send', 'close', 'join', 'leave'] as const
const outcomes = ['failed', 'ok', 'unknown'] as const

/** Begins an envelope of orders, to which `writeOrder` adds. */
export function beginOrders(sender: Sender): WireWriter {
  return head(sender, 'orders')
}

export function writeOrder(writer: WireWriter, directed: Directed): void {
  const mark = writer.begin()
  writeWhole(writer, directed)
  writer.end(mark)
}

function writeWhole(writer: WireWriter, { to, order }: Directed): void {
  writer.byte(addressKinds.indexOf(to.kind))
  writer.text(to.kind === 'room' ? to.name : to.kind === 'everybody' ? '' : to.id)
  writer.byte(orderKinds.indexOf(order.do))
  if (order.do === 'join' || order.do === 'leave') writer.text(order.room)
  else if (order.do === 'close') writer.number(order.reason.code).text(order.reason.reason)
  else {
    const isText = typeof order.data === 'string'
    writer.byte((isText ? 1 : 0) | (order.except === null ? 0 : 2) | (order.key === null ? 0 : 4))
    if (order.except !== null) writer.text(order.except)
    if (order.key !== null) writer.text(order.key)
    if (typeof order.data === 'string') writer.text(order.data)
    else writer.bytes(order.data)
  }
}

export function encode(sender: Sender, message: NodeMessage): Uint8Array {
  const writer = head(sender, message.kind)
  switch (message.kind) {
    case 'orders':
      for (const order of message.orders) writeOrder(writer, order)
      break
    case 'delta':
      writer.text(message.room).number(message.from).number(message.to)
      writeUsers(writer, message.users)
      break
    case 'digest':
      writer.text(message.room).number(message.version)
      break
    case 'sync':
      for (const room of message.rooms) writer.text(room)
      break
    case 'snapshot':
      for (const { room, version, part, parts, users } of message.rooms) {
        writer.text(room).number(version).number(part).number(parts).number(users.length)
        writeUsers(writer, users)
      }
      break
    case 'question':
      writer.number(message.id).text(message.name).text(message.value)
      break
    case 'answer':
      writer.number(message.id).byte(outcomes.indexOf(message.outcome)).text(message.value)
      break
    case 'event':
      writer.text(message.name).text(message.value)
      break
    case 'probe':
      writer.number(message.count)
  }
  return writer.finish()
}

/** Null for what is none, or of another version. Never throws. Messages share the memory of `bytes`. */
export function decode(bytes: Uint8Array): Envelope | null {
  const reader = new WireReader(bytes)
  if (reader.byte() !== version) return null
  const kind = kinds[reader.byte()]
  const node = reader.text()
  const incarnation = reader.number()
  const session = reader.number()
  if (kind === undefined || reader.bad || node === '') return null
  const message = readMessage(reader, kind)
  return message === null || reader.bad ? null : { node, incarnation, session, message }
}

function head(sender: Sender, kind: NodeMessage['kind']): WireWriter {
  const { id, incarnation, session } = sender
  const writer = new WireWriter().byte(version).byte(kinds.indexOf(kind))
  return writer.text(id).number(incarnation).number(session)
}

function readMessage(reader: WireReader, kind: NodeMessage['kind']): NodeMessage | null {
  switch (kind) {
    case 'orders': {
      const orders: Directed[] = []
      let unread = 0
      while (!reader.ended) {
        const whole = reader.part()
        const order = readOrder(whole)
        if (order === null || whole.bad) unread += 1
        else orders.push(order)
      }
      return unread === 0 ? { kind, orders } : { kind, orders, unread }
    }
    case 'delta':
      return {
        kind,
        room: reader.text(),
        from: reader.number(),
        to: reader.number(),
        users: readUsers(reader),
      }
    case 'digest':
      return { kind, room: reader.text(), version: reader.number() }
    case 'sync': {
      const rooms: string[] = []
      while (!reader.ended) rooms.push(reader.text())
      return { kind, rooms }
    }
    case 'snapshot': {
      const rooms: RoomSnapshot[] = []
      while (!reader.ended) {
        const room = reader.text()
        const [version, part, parts] = [reader.number(), reader.number(), reader.number()]
        if (part >= parts) return null
        rooms.push({ room, version, part, parts, users: readUsers(reader, reader.number()) })
      }
      return { kind, rooms }
    }
    case 'question':
      return { kind, id: reader.number(), name: reader.text(), value: reader.text() }
    case 'answer':
      return {
        kind,
        id: reader.number(),
        outcome: outcomes[reader.byte()] ?? 'failed',
        value: reader.text(),
      }
    case 'event':
      return { kind, name: reader.text(), value: reader.text() }
    case 'probe':
      return { kind, count: reader.number() }
  }
}

function readOrder(reader: WireReader): Directed | null {
  const kind = addressKinds[reader.byte()]
  const name = reader.text()
  const what = orderKinds[reader.byte()]
  if (kind === undefined || what === undefined || reader.bad) return null
  const to: Address = kind === 'room' ? { kind, name } : kind === 'everybody' ? { kind } : { kind, id: name }
  if (what === 'join' || what === 'leave') return { to, order: { do: what, room: reader.text() } }
  if (what === 'close') {
    const [code, reason] = [reader.number(), reader.text()]
    // No transport takes another one.
    return isSendableCode(code)
      ? { to, order: { do: 'close', reason: { code, reason: cutReason(reason) } } }
      : null
  }
  const flags = reader.byte()
  const except = flags & 2 ? reader.text() : null
  const key = flags & 4 ? reader.text() : null
  const data = flags & 1 ? reader.text() : reader.bytes()
  return { to, order: { do: 'send', data, except, key, position: null } }
}

function writeUsers(writer: WireWriter, users: Users): void {
  for (const [user, devices] of users) writer.text(user).number(devices)
}

/** Those that are there, at most `count`. */
function readUsers(reader: WireReader, count = Number.POSITIVE_INFINITY): Users {
  const users: [string, number][] = []
  while (users.length < count && !reader.ended) users.push([reader.text(), reader.number()])
  if (users.length < count && count < Number.POSITIVE_INFINITY) reader.bad = true
  return users
}
