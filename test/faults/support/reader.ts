import type { Gap, Joined, Position } from '../../../src/hub.ts'
import type { Sent } from './lines.ts'

/** Numbers that rise, of which none may come twice. */
class Rising {
  readonly #seen = new Set<number>()
  #last = 0

  /** What is wrong with the next number; null when nothing is. */
  take(number: number): string | null {
    if (this.#seen.has(number)) return 'came twice'
    this.#seen.add(number)
    const late = number < this.#last
    this.#last = Math.max(this.#last, number)
    return late ? `came behind ${this.#last}` : null
  }
}

/** A room with history, as one client has followed it through all its connections. */
interface Followed {
  /** Of the last message, or where it was told that it is. */
  last: Position | null
  /** Whether the answer to its join is still to come. */
  joining: boolean
  /** A jump in the offsets that an answer of `complete: false` has to explain. */
  jump: string | null
  /** The first position since the join, when there was none before it. */
  first: Position | null
  /** Whether a message with a place came since it asked to come in. */
  met: boolean
  /** It was told that something is missing, not where it goes on: the next message, and no other, may be anywhere. */
  excused: boolean
}

/**
 * Checks what one client receives, message by message: nothing twice, order for each room and sending node, and in
 * rooms with history no hole that it was not told of. It knows nothing but what the client was told.
 */
export class Reader {
  /** What was wrong, in words. */
  readonly faults: string[] = []
  /** Messages, those of them with a place in a history, and times that it was told that something is missing. */
  readonly counts = { received: 0, placed: 0, told: 0 }
  readonly #rooms = new Map<string, Followed>()
  /** By what has an order, since the connection began. */
  #orders = new Map<string, Rising>()
  /** The same for rooms with history, whose order goes on in the next connection. */
  readonly #lasting = new Map<string, Rising>()

  /** Where it left a room with history; null when it was never in it. */
  position(room: string): Position | null {
    return this.#rooms.get(room)?.last ?? null
  }

  /** A new connection: what has no history begins anew. */
  connected(): void {
    this.#orders = new Map()
    for (const followed of this.#rooms.values()) {
      // It came no further than to ask: that it has no answer is what tells it that something may be missing.
      if (followed.jump !== null) this.counts.told += 1
      Object.assign(followed, { joining: false, jump: null, first: null })
    }
  }

  /** It asks to come into a room with history. */
  joins(room: string): void {
    const followed = this.#room(room)
    followed.joining = true
    followed.met = false
    followed.excused = false
  }

  plain(sent: Sent): void {
    this.counts.received += 1
    this.#check(this.#orders, sent, 'node', sent.node, sent.seq)
    this.#check(this.#orders, sent, 'sender', sent.sender, sent.n)
  }

  placed(sent: Sent, position: Position | null): void {
    this.counts.received += 1
    // Of what has no place, nothing is promised but that it comes once, and in the order of its kind.
    if (position === null) {
      this.#check(this.#orders, sent, 'node without place', sent.node, sent.seq)
      this.#once(sent)
      return
    }
    this.counts.placed += 1
    this.#check(this.#lasting, sent, 'node', sent.node, sent.seq)
    this.#check(this.#lasting, sent, 'sender', sent.sender, sent.n)
    this.#once(sent)
    this.#follow(sent.room, position)
  }

  /** The answer to a join. */
  joined(room: string, { position, complete }: Joined): void {
    const followed = this.#room(room)
    followed.joining = false
    const { first, jump, last, met } = followed
    Object.assign(followed, { jump: null, first: null })
    if (!complete) {
      this.counts.told += 1
      // Where it goes on from is known from what was delivered meanwhile, from the answer, or not at all.
      if (jump === null && position === null) followed.excused = !met
      else if (jump === null && !reaches(last, position)) followed.last = position
      return
    }
    if (jump !== null) this.faults.push(`${jump}, and the answer was that it is complete`)
    else if (position === null) this.faults.push(`${room}: complete, without a position`)
    else if (first !== null && !(first.epoch === position.epoch && first.offset === position.offset + 1)) {
      this.faults.push(`${room}: came in at ${at(position)}, and the first message was ${at(first)}`)
    } else if (last === null) followed.last = position
    else if (!reaches(last, position)) {
      this.faults.push(`${room}: complete up to ${at(position)}, and got no further than ${at(last)}`)
    }
  }

  /** It is told that something is gone. */
  gap({ room, before }: Pick<Gap, 'room' | 'before'>): void {
    this.counts.told += 1
    const followed = this.#room(room)
    const behind = { epoch: before.epoch, offset: before.offset - 1 }
    // Who was elsewhere before may be further than the node that tells.
    if (!reaches(followed.last, behind)) followed.last = behind
  }

  /** What is still unexplained, when everything has come to rest. */
  unsettled(): string[] {
    return [...this.#rooms].flatMap(([room, { jump, joining }]) => {
      if (jump !== null) return [`${jump}, and nothing was said of it`]
      return joining ? [`${room}: no answer to the join`] : []
    })
  }

  #follow(room: string, position: Position): void {
    const followed = this.#room(room)
    const { last, excused } = followed
    followed.last = position
    followed.met = true
    followed.excused = false
    if (last === null) {
      followed.first ??= position
      return
    }
    const same = last.epoch === position.epoch
    if (same && position.offset === last.offset + 1) return
    const text = `${room}: ${at(position)} came behind ${at(last)}`
    if (same && position.offset <= last.offset) {
      this.faults.push(text)
      followed.last = last
    } else if (excused) return
    else if (followed.joining && followed.jump === null) followed.jump = text
    else this.faults.push(`${text}, untold`)
  }

  /** A message of a room with history comes once, with a place or without. */
  #once({ room, node, seq }: Sent): void {
    const key = `${room} ${node} once`
    const rising = this.#lasting.get(key) ?? new Rising()
    this.#lasting.set(key, rising)
    if (rising.take(seq) === 'came twice') this.faults.push(`${room}: ${seq} of ${node} came twice`)
  }

  #check(orders: Map<string, Rising>, { room }: Sent, of: string, name: string, number: number): void {
    const key = `${room} ${of} ${name}`
    const rising = orders.get(key) ?? new Rising()
    orders.set(key, rising)
    const wrong = rising.take(number)
    if (wrong !== null) this.faults.push(`${room}: ${number} of ${of} ${name} ${wrong}`)
  }

  #room(room: string): Followed {
    const found = this.#rooms.get(room)
    if (found !== undefined) return found
    const followed = { last: null, joining: false, jump: null, first: null, met: false, excused: false }
    this.#rooms.set(room, followed)
    return followed
  }
}

/** Whether one is in the same epoch as another, and not before it. */
function reaches(one: Position | null, other: Position | null): boolean {
  return one !== null && other !== null && one.epoch === other.epoch && one.offset >= other.offset
}

function at({ epoch, offset }: Position): string {
  return `${epoch}:${offset}`
}
