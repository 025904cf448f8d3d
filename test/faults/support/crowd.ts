import { setTimeout as sleep } from 'node:timers/promises'
import { Client, type Host } from './client.ts'
import type { Sent } from './lines.ts'

const mostDials = 100
/** Between two attempts of one client, times a random part of it. */
const dialAgainAfter = 400
const tick = 20

/** Where clients may go. */
export interface Door {
  readonly node: string
  readonly port: number
}

export interface CrowdOptions {
  readonly clients: number
  readonly rooms: readonly string[]
  /** Of the traffic. */
  readonly messagesPerSecond: number
  /** Nodes that take clients just now. */
  readonly doors: () => readonly Door[]
}

/** What is expected to come: how often each message still has to. */
type Expected = Map<string, number>

/** Clients that come back when they lose their connection, and constant traffic between them. */
export class Crowd implements Host {
  readonly clients: readonly Client[]
  readonly #options: CrowdOptions
  readonly #members = new Map<string, Client[]>()
  readonly #absent = new Set<Client>()
  /** Where a client wants to go next, if not anywhere. */
  readonly #wishes = new Map<Client, string>()
  /** How connections ended that nobody here had ended, by code of the Close. */
  readonly losses: Record<string, number> = {}
  #expected: Expected = new Map()
  /** Whoever waits for a part of what is expected, and how much is left by then. */
  #part: { readonly left: number; readonly arrived: () => void } | null = null
  #near: { readonly key: string; readonly got: Set<Client> } | null = null
  #dialling = 0
  #turn = 0
  #traffic: ReturnType<typeof setInterval> | null = null
  #closed = false

  constructor(options: CrowdOptions) {
    this.#options = options
    const { clients, rooms } = options
    this.clients = Array.from({ length: clients }, (_, index) => {
      // One user in ten has two devices, and not in the same rooms.
      const user = `u${index % Math.ceil(clients * 0.9)}`
      const other = (index * 7 + 1 + Math.floor(index / rooms.length)) % rooms.length
      const places = new Set([rooms[index % rooms.length] as string, rooms[other] as string])
      return new Client(`c${index}`, user, [...places], this)
    })
    for (const client of this.clients) {
      for (const room of client.rooms) this.#members.set(room, [...(this.#members.get(room) ?? []), client])
    }
    for (const client of this.clients) this.#absent.add(client)
  }

  /** Those who are at a node. */
  at(node: string): Client[] {
    return this.clients.filter((client) => client.node === node)
  }

  /** Whether everybody is inside who is to be. */
  get whole(): boolean {
    return this.clients.every((client) => this.#absent.has(client) || client.inside)
  }

  /** Users with a client that came in later than this, by `performance.now()`. */
  cameAfter(time: number): Set<string> {
    return new Set(this.clients.filter(({ insideSince }) => insideSince > time).map(({ user }) => user))
  }

  /** Users with a client that is inside and not left out, by room; '' has all. */
  users(leftOut: ReadonlySet<Client> = new Set()): Map<string, Set<string>> {
    const users = new Map<string, Set<string>>([['', new Set()]])
    for (const room of this.#options.rooms) users.set(room, new Set())
    for (const client of this.clients) {
      if (!client.inside || leftOut.has(client)) continue
      for (const room of ['', ...client.rooms]) users.get(room)?.add(client.user)
    }
    return users
  }

  /** They come, and come back from now on. @param node where to, the first time */
  come(clients: readonly Client[] = this.clients, node: string | null = null): void {
    for (const client of clients) {
      if (!this.#absent.delete(client)) continue
      if (node !== null) this.#wishes.set(client, node)
      void this.#dial(client)
    }
  }

  /** They do not come back when they lose their connection. */
  stay(clients: readonly Client[]): void {
    for (const client of clients) this.#absent.add(client)
  }

  /** They leave for good. */
  leave(clients: readonly Client[] = this.clients): void {
    this.stay(clients)
    for (const client of clients) client.leave()
  }

  /** They lose their connections, without a word, and come back. @param node where to; wherever there is a door */
  move(clients: readonly Client[], node: string | null = null): void {
    for (const client of clients) {
      if (node !== null) this.#wishes.set(client, node)
      client.vanish()
    }
  }

  /** From now on, if it is not on already. */
  startTraffic(): void {
    if (this.#traffic !== null) return
    const { messagesPerSecond, rooms } = this.#options
    let due = 0
    this.#traffic = setInterval(() => {
      for (due += (messagesPerSecond * tick) / 1000; due >= 1; due--) {
        const room = rooms[this.#turn++ % rooms.length] as string
        const inside = this.#inside(room)
        inside[Math.floor(Math.random() * inside.length)]?.say(room)
      }
    }, tick)
  }

  stopTraffic(): void {
    if (this.#traffic !== null) clearInterval(this.#traffic)
    this.#traffic = null
  }

  /**
   * Somebody at each of these nodes says something to each room that has members there.
   * @returns of how many messages somebody inside has not got one, at last
   */
  async round(nodes: readonly string[], milliseconds: number): Promise<number> {
    const expected: Expected = new Map()
    this.#expected = expected
    for (const room of this.#options.rooms) {
      const inside = this.#inside(room).filter(({ node }) => nodes.includes(node ?? ''))
      for (const node of nodes) {
        const speaker = inside.find((client) => client.node === node)
        if (speaker !== undefined) expected.set(keyOf(speaker.say(room)), inside.length)
      }
    }
    const deadline = performance.now() + milliseconds
    while (expected.size > 0 && performance.now() < deadline) await sleep(10)
    return expected.size
  }

  /**
   * Everybody inside says something to each of its rooms, all at once. Resolves when a quarter of that has arrived
   * wherever it should, before anything else does.
   * @returns of how many messages somebody has not got one: they are on the way
   */
  async flood(milliseconds: number): Promise<number> {
    const expected: Expected = new Map()
    this.#expected = expected
    for (const room of this.#options.rooms) {
      const inside = this.#inside(room)
      for (const speaker of inside) expected.set(keyOf(speaker.say(room)), inside.length)
    }
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    this.#part = { left: Math.floor(expected.size * 0.75), arrived: resolve }
    const late = setTimeout(
      () => reject(new Error(`no quarter of a flood has arrived: ${expected.size} are left`)),
      milliseconds,
    )
    await promise.finally(() => {
      clearTimeout(late)
      this.#part = null
    })
    return expected.size
  }

  /** Says something to a room without history. Resolves to whether all members at the same node got it in time. */
  async sayNear(node: string, milliseconds: number): Promise<boolean> {
    for (const room of this.#options.rooms.filter((name) => /^[rp]/.test(name))) {
      const near = this.#inside(room).filter((client) => client.node === node)
      const speaker = near[0]
      if (speaker === undefined || near.length < 2) continue
      const key = keyOf(speaker.say(room))
      const got = new Set<Client>()
      this.#near = { key, got }
      const deadline = performance.now() + milliseconds
      while (!near.every((client) => got.has(client)) && performance.now() < deadline) await sleep(5)
      return near.every((client) => got.has(client))
    }
    throw new Error(`no room has two members at ${node}`)
  }

  /** What readers found wrong since the last call. @param settled whether all has come to rest: nothing is excused */
  faults(settled = false): string[] {
    return this.clients.flatMap(({ name, reader }) => {
      const all = reader.faults.splice(0)
      if (settled) all.push(...reader.unsettled())
      return all.map((fault) => `${name}: ${fault}`)
    })
  }

  /** Counts from nothing again: how connections ended, and what readers got. */
  countAnew(): void {
    for (const how of Object.keys(this.losses)) delete this.losses[how]
    for (const { reader } of this.clients) Object.assign(reader.counts, { received: 0, placed: 0, told: 0 })
  }

  counts(): Client['reader']['counts'] {
    const sum = { received: 0, placed: 0, told: 0 }
    for (const { reader } of this.clients) {
      sum.received += reader.counts.received
      sum.placed += reader.counts.placed
      sum.told += reader.counts.told
    }
    return sum
  }

  close(): void {
    this.#closed = true
    this.stopTraffic()
    for (const client of this.clients) client.vanish()
  }

  received(client: Client, sent: Sent): void {
    const key = keyOf(sent)
    if (this.#near?.key === key) this.#near.got.add(client)
    const left = this.#expected.get(key)
    if (left === undefined) return
    if (left > 1) {
      this.#expected.set(key, left - 1)
      return
    }
    this.#expected.delete(key)
    if (this.#part !== null && this.#expected.size <= this.#part.left) this.#part.arrived()
  }

  ended(client: Client, code: number | null): void {
    if (this.#absent.has(client) || this.#closed) return
    const how = code === null ? 'cut' : `${code}`
    this.losses[how] = (this.losses[how] ?? 0) + 1
    void this.#dial(client)
  }

  #inside(room: string): Client[] {
    return (this.#members.get(room) ?? []).filter((client) => client.inside)
  }

  /** Until it is inside, or is not to come any more. */
  async #dial(client: Client): Promise<void> {
    for (let attempt = 0; !this.#absent.has(client) && !this.#closed; attempt++) {
      if (attempt > 0 || this.#dialling >= mostDials) await sleep(Math.random() * dialAgainAfter)
      if (this.#dialling >= mostDials) continue
      const doors = this.#options.doors()
      const wish = this.#wishes.get(client)
      const door = doors.find(({ node }) => node === wish) ?? doors[this.#turn++ % doors.length]
      if (door === undefined) continue
      this.#dialling += 1
      const entry = await client.enter(door.node, door.port)
      this.#dialling -= 1
      if (entry === 'refused') continue
      // When its connection was lost on the way in, `ended` has dialled anew.
      if (entry === 'inside') this.#wishes.delete(client)
      return
    }
  }
}

function keyOf({ room, sender, n }: Pick<Sent, 'room' | 'sender' | 'n'>): string {
  return `${room} ${sender} ${n}`
}
