import { closeCodes } from '../../../src/protocol/close-codes.ts'
import { closeFrame, frame, opcodes } from '../../gateway/support/frames.ts'
import type { Party } from './party.ts'

/** One direction of a tunnel, as it was said and as it arrived. */
export class Direction {
  /** Whole frames; `eaten` are answers to pings of the gateway, which it may keep. */
  readonly said: { readonly bytes: Buffer; readonly eaten: boolean; readonly close: boolean }[] = []
  /** Frames that have arrived. */
  arrived = 0
  /** What the gateway itself said last. */
  gatewayClosed = false

  /** Whether all that was said has arrived, but for what may be kept. */
  get complete(): boolean {
    return this.said.slice(this.arrived).every(({ eaten }) => eaten)
  }
}

/** Both directions of a tunnel. */
export class TunnelRecord {
  readonly id: string
  readonly up = new Direction()
  /** Of the last backend that agreed. */
  down = new Direction()
  client: Party | null = null
  backend: Party | null = null

  constructor(id: string) {
    this.id = id
  }

  /**
   * A backend agrees to the upgrade. It may not be the first: the 101 of one that broke off may never have arrived,
   * and then another one is asked.
   * @returns false when the client has an answer already
   */
  agreed(backend: Party): boolean {
    const unheard = this.up.arrived === 0 && this.down.arrived === 0
    this.backend = backend
    this.down = new Direction()
    return unheard
  }
}

const ourPing = Buffer.from('fairlead')
const ourReasons: ReadonlySet<string> = new Set(
  Object.values(closeCodes).map(({ code, reason }) => `${code} ${reason}`),
)

/** How often a party ends its tunnel in which way. */
const moods: Record<Ending, number> = { close: 5, fin: 2, reset: 2, vanish: 0.3, stay: 6 }

/** The same where every tunnel has to end without a deadline. */
const ends: Record<Ending, number> = { close: 5, fin: 2, reset: 3, vanish: 0, stay: 0 }

/** How a party ends its tunnel. */
type Ending = 'close' | 'fin' | 'reset' | 'vanish' | 'stay'

/**
 * A party's part in a WebSocket: says random frames, notes them, and holds what it hears against what the other
 * party noted. Reads by the book and shares nothing with the code under test.
 */
export class Conversation {
  readonly #party: Party
  readonly #side: 'client' | 'backend'
  readonly #mine: Direction
  readonly #record: TunnelRecord
  /** Whether what is heard can be held against something. */
  readonly #known: boolean
  #heard = Buffer.alloc(0)
  #closeSaid = false
  #closeHeard = false
  #left: number
  readonly #ending: Ending
  /** Whether it says much at once. */
  readonly #floods: boolean
  #serial = 0

  constructor(party: Party, record: TunnelRecord | null, side: 'client' | 'backend') {
    this.#record = record ?? new TunnelRecord('')
    const { up, down } = this.#record
    this.#party = party
    this.#side = side
    this.#known = record !== null
    this.#mine = side === 'client' ? up : down
    const { chance, around } = party
    this.#left = record === null ? 0 : around.crowded ? chance.int(0, 1) : chance.size(12)
    this.#floods = !around.crowded && chance.is(0.1)
    if (this.#floods) this.#left += 12
    this.#ending = around.calm
      ? side === 'client'
        ? chance.pick(['close', 'fin'])
        : 'stay'
      : chance.weighted(around.crowded ? ends : moods)
  }

  get #other(): Direction {
    return this.#side === 'client' ? this.#record.down : this.#record.up
  }

  /** Says early data, or goes on until it is time to end. */
  start(): void {
    this.#next()
  }

  /** A message in one piece or several, perhaps with a ping within. */
  message(): void {
    const { chance, around } = this.#party
    const text = this.#text(this.#floods ? around.largest : Math.max(0, chance.size(around.largest)))
    const pieces = chance.is(0.6) ? 1 : chance.int(2, 4)
    for (let piece = 0; piece < pieces; piece++) {
      const part = text.subarray(
        Math.floor((text.length * piece) / pieces),
        Math.floor((text.length * (piece + 1)) / pieces),
      )
      this.#say(piece === 0 ? opcodes.text : opcodes.continuation, part, piece === pieces - 1)
      if (chance.is(0.1)) this.#say(opcodes.ping, this.#text(chance.int(0, 20)), true)
    }
  }

  hear(chunk: Uint8Array): void {
    this.#heard = Buffer.concat([this.#heard, chunk])
    for (;;) {
      const size = frameSize(this.#heard, this.#side === 'backend')
      if (size === -2) this.#wrong('a frame is masked as it must not be')
      if (size < 0 || this.#heard.length < size) return
      const bytes = this.#heard.subarray(0, size)
      this.#heard = this.#heard.subarray(size)
      this.#arrived(bytes)
    }
  }

  heardFin(): void {
    // A whole goodbye, or none: the end of a connection within a frame cannot be one of ours.
    this.#party.sayEnd()
  }

  /** Called when the party has been told of the end. */
  left(): void {
    if (this.#heard.length === 0 || !this.#known) return
    const next = this.#other.said.slice(this.#other.arrived).find(({ eaten }) => !eaten)
    const part = this.#heard
    const eaten = this.#other.said.some(({ bytes }) => bytes.subarray(0, part.length).equals(part))
    const own = [0x88, 0x89].includes(part[0] as number)
    if (next?.bytes.subarray(0, part.length).equals(part) || own || eaten) return
    this.#wrong('the last bytes are no part of what was said')
  }

  #next(): void {
    const { around, chance, gone } = this.#party
    if (gone || this.#closeSaid) return
    if (this.#left-- > 0) {
      if (this.#floods || chance.is(0.85)) this.message()
      else this.#say(opcodes.ping, this.#text(chance.int(0, 30)), true)
      around.world.after(this.#floods || chance.is(0.6) ? 0 : chance.size(2000), () => this.#next())
      return
    }
    if (this.#ending === 'stay') return
    around.world.after(chance.size(1000), () => this.#end())
  }

  #end(): void {
    const { socket, chance, around, gone } = this.#party
    if (gone || this.#closeSaid) return
    around.count(`ending ${this.#ending}`)
    if (this.#ending === 'fin') this.#party.sayEnd()
    else if (this.#ending === 'reset') socket.abort()
    else if (this.#ending === 'vanish') this.#vanish()
    else if (this.#side === 'client' || chance.is(0.7)) this.#sayClose(1000, '')
    else this.#sayClose(1012, 'back soon')
  }

  #vanish(): void {
    const { socket } = this.#party
    for (const pipe of [socket.incoming, socket.outgoing]) if (pipe !== null) pipe.cut = true
  }

  #arrived(bytes: Buffer): void {
    const { opcode, payload } = decode(bytes)
    if (this.#known && !this.#wasSaid(bytes)) {
      const name = opcode === opcodes.close ? `${payload.readUInt16BE()} ${payload.toString('utf8', 2)}` : ''
      const ping = opcode === opcodes.ping && payload.length === 16 && payload.subarray(0, 8).equals(ourPing)
      if (!ping && !ourReasons.has(name))
        this.#wrong(`a frame that nobody said: ${bytes.toString('hex', 0, 40)}`)
      if (this.#closeHeard) this.#wrong('the gateway speaks behind a Close')
      if (!ping) this.#other.gatewayClosed = true
      this.#party.around.count(ping ? 'ping of the gateway' : `close of the gateway ${name}`)
    }
    if (opcode === opcodes.ping) this.#pong(payload)
    if (opcode !== opcodes.close) return
    this.#closeHeard = true
    if (this.#party.around.calm || this.#party.chance.is(0.9)) this.#sayClose(1000, '')
    // RFC 6455 §7.1.1: the server ends TCP.
    if (this.#side === 'backend') this.#party.sayEnd()
  }

  /** Whether the other party said it, as the next thing. */
  #wasSaid(bytes: Buffer): boolean {
    const { said, arrived, gatewayClosed } = this.#other
    for (let at = arrived; at < said.length; at++) {
      const one = said[at] as Direction['said'][number]
      if (one.bytes.equals(bytes)) {
        if (gatewayClosed) this.#wrong('something is passed on behind a Close of the gateway')
        this.#other.arrived = at + 1
        return true
      }
      if (!one.eaten) return false
    }
    return false
  }

  #pong(payload: Buffer): void {
    const ours = payload.subarray(0, 8).equals(ourPing)
    const { calm, count } = this.#party.around
    if (!calm && this.#party.chance.is(0.2)) return
    if (ours) count('pong to the gateway')
    this.#say(opcodes.pong, payload, true, ours)
  }

  #sayClose(code: number, reason: string): void {
    if (this.#closeSaid || this.#party.endWanted) return
    const bytes = closeFrame(code, reason, this.#side === 'client')
    this.#mine.said.push({ bytes, eaten: false, close: true })
    this.#closeSaid = true
    this.#party.say(bytes)
  }

  #say(opcode: number, payload: Uint8Array, fin: boolean, eaten = false): void {
    if (this.#closeSaid || this.#party.endWanted) return
    const bytes = frame(opcode, payload, { fin, masked: this.#side === 'client' })
    this.#mine.said.push({ bytes, eaten, close: false })
    this.#party.say(bytes)
  }

  /** Different each time, so that nothing can be taken for something else. */
  #text(size: number): Buffer {
    const start = `${this.#side}${this.#serial++} `
    return Buffer.from(start.repeat(Math.ceil(size / start.length)).slice(0, size))
  }

  #wrong(what: string): void {
    this.#party.around.world.violated(`tunnel, at the ${this.#side}: ${what}`)
  }
}

/** The length of the frame that begins here; -1 when more is needed to know, -2 when it is masked wrongly. */
function frameSize(bytes: Buffer, masked: boolean): number {
  if (bytes.length < 2) return -1
  const second = bytes[1] as number
  if (second > 127 !== masked) return -2
  const key = masked ? 4 : 0
  const short = second & 0x7f
  if (short < 126) return 2 + key + short
  if (short === 126) return bytes.length < 4 ? -1 : 4 + key + bytes.readUInt16BE(2)
  return bytes.length < 10 ? -1 : 10 + key + Number(bytes.readBigUInt64BE(2))
}

function decode(bytes: Buffer): { opcode: number; payload: Buffer } {
  const second = bytes[1] as number
  const short = second & 0x7f
  const start = short < 126 ? 2 : short === 126 ? 4 : 10
  if (second < 128) return { opcode: (bytes[0] as number) & 15, payload: bytes.subarray(start) }
  const key = bytes.subarray(start, start + 4)
  const payload = Buffer.from(bytes.subarray(start + 4))
  for (let at = 0; at < payload.length; at++) payload[at] = (payload[at] as number) ^ (key[at & 3] as number)
  return { opcode: (bytes[0] as number) & 15, payload }
}
