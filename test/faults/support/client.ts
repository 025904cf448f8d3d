import { clientFrame, type Frame, RawClient } from '../../../src/hub/contract/raw-client.ts'
import type { Position } from '../../../src/hub.ts'
import { type FromClient, hasHistory, type Sent, type ToClient } from './lines.ts'
import { Reader } from './reader.ts'

const text = 1
const close = 8
const ping = 9
const pong = 10

/** Whom a client tells what happens to it. */
export interface Host {
  received(client: Client, sent: Sent): void
  /** Its connection has ended, whoever ended it. @param code of a Close; null without one */
  ended(client: Client, code: number | null): void
}

/** Somebody with a place in some rooms, on one connection after another. */
export class Client {
  readonly name: string
  readonly user: string
  readonly rooms: readonly string[]
  readonly reader = new Reader()
  /** Where it is connected, or on its way to. */
  node: string | null = null
  /** Whether it is in all of its rooms. */
  inside = false
  /** When it came in last, by `performance.now()`. */
  insideSince = 0
  readonly #host: Host
  #socket: RawClient | null = null
  #life = 0
  readonly #said = new Map<string, number>()
  #awaited = 0
  #entered: () => void = () => {}
  #code: number | null = null

  constructor(name: string, user: string, rooms: readonly string[], host: Host) {
    this.name = name
    this.user = user
    this.rooms = rooms
    this.#host = host
  }

  /** Connects and goes into its rooms, with what it had last. Never rejects. */
  async enter(node: string, port: number): Promise<'inside' | 'lost' | 'refused'> {
    this.node = node
    const socket = RawClient.start({ port, path: `/?user=${this.user}` })
    await socket.until(() => socket.head !== '' || socket.closed).catch(() => {})
    if (socket.status !== 101 || socket.closed) {
      socket.destroy()
      this.node = null
      return 'refused'
    }
    this.#socket = socket
    this.#life += 1
    this.#said.clear()
    this.#code = null
    this.reader.connected()
    socket.socket.on('data', () => this.#read(socket))
    socket.socket.on('close', () => this.#over(socket))
    const { promise, resolve } = Promise.withResolvers<void>()
    this.#entered = resolve
    this.#awaited = this.rooms.length
    for (const room of this.rooms) this.#join(room)
    this.#read(socket)
    await promise
    return this.inside ? 'inside' : 'lost'
  }

  /** Says something to a room. Returns by what it is known. */
  say(room: string): Pick<Sent, 'room' | 'sender' | 'n'> {
    const n = (this.#said.get(room) ?? 0) + 1
    this.#said.set(room, n)
    const said = { room, sender: `${this.name}/${this.#life}`, n }
    this.#tell({ do: 'say', ...said })
    return said
  }

  /** Says goodbye. */
  leave(): void {
    this.#socket?.close(1000)
  }

  /** Is gone, without waiting for anybody. */
  vanish(): void {
    const socket = this.#socket
    socket?.destroy()
    if (socket !== null) this.#over(socket)
  }

  #join(room: string): void {
    if (!hasHistory(room)) {
      this.#tell({ do: 'join', room })
      return
    }
    const since: Position | null = this.reader.position(room)
    this.reader.joins(room)
    this.#tell({ do: 'join', room, since })
  }

  #tell(said: FromClient): void {
    this.#socket?.text(JSON.stringify(said))
  }

  #read(socket: RawClient): void {
    for (const frame of socket.frames.splice(0)) this.#take(socket, frame)
  }

  #take(socket: RawClient, { opcode, payload }: Frame): void {
    if (opcode === text) this.#hear(JSON.parse(payload.toString()) as ToClient)
    else if (opcode === ping) socket.socket.write(clientFrame(pong, payload))
    else if (opcode === close) {
      this.#code = payload.length < 2 ? 1005 : payload.readUInt16BE(0)
      socket.close(this.#code === 1005 ? 1000 : this.#code)
    }
  }

  #hear(told: ToClient): void {
    switch (told.is) {
      case 'plain':
        this.reader.plain(told.sent)
        this.#host.received(this, told.sent)
        return
      case 'placed':
        this.reader.placed(told.sent, told.position)
        this.#host.received(this, told.sent)
        return
      case 'gap':
        this.reader.gap(told)
        return
      case 'in':
        if (told.joined !== null) this.reader.joined(told.room, told.joined)
        this.#awaited -= 1
        if (this.#awaited > 0) return
        this.inside = true
        this.insideSince = performance.now()
        this.#entered()
    }
  }

  #over(socket: RawClient): void {
    if (this.#socket !== socket) return
    this.#socket = null
    this.node = null
    this.inside = false
    this.#entered()
    this.#host.ended(this, this.#code)
  }
}
