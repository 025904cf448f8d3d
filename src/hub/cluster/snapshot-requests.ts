/** Rooms in one request. */
const maxRooms = 256
/** Milliseconds after which a snapshot of which nothing came is asked for again; then twice as long, and again. */
const askAgain = 3_000
const doublings = 2

interface Wanted {
  /** Not asked for yet. */
  readonly waiting: Set<string>
  /** Asked for and not here yet. */
  readonly asked: Set<string>
  /** When those are asked for again. */
  due: number
  /** How often they were asked for in vain. */
  attempts: number
}

/**
 * Which rooms of which nodes are asked for as a whole. Of one node only so many at once, and the next ones when those
 * are here: after the broker was away every node wants everything of every other.
 */
export class SnapshotRequests {
  readonly #nodes = new Map<string, Wanted>()
  readonly #ask: (node: string, rooms: readonly string[]) => void
  readonly #random: () => number

  /** @param random from 0 to below 1, so that not all ask again at once */
  constructor(ask: (node: string, rooms: readonly string[]) => void, random: () => number) {
    this.#ask = ask
    this.#random = random
  }

  /** Whether something is wanted. */
  get pending(): boolean {
    return this.#nodes.size > 0
  }

  want(node: string, room: string): void {
    let wanted = this.#nodes.get(node)
    if (wanted === undefined) {
      wanted = { waiting: new Set(), asked: new Set(), due: 0, attempts: 0 }
      this.#nodes.set(node, wanted)
    }
    if (!wanted.asked.has(room)) wanted.waiting.add(room)
  }

  /**
   * It is here, or not wanted any more.
   * @returns whether the next ones can be asked for
   */
  done(node: string, room: string): boolean {
    const wanted = this.#nodes.get(node)
    if (wanted === undefined) return false
    wanted.waiting.delete(room)
    if (!wanted.asked.delete(room) || wanted.asked.size > 0) return false
    wanted.attempts = 0
    if (wanted.waiting.size === 0) this.#nodes.delete(node)
    return wanted.waiting.size > 0
  }

  /** The node is answering, so what is not here yet is on its way. */
  progress(node: string, now: number): void {
    const wanted = this.#nodes.get(node)
    if (wanted !== undefined) wanted.due = Math.max(wanted.due, now + askAgain)
  }

  /** What was asked for went unheard. */
  restart(): void {
    for (const wanted of this.#nodes.values()) {
      for (const room of wanted.asked) wanted.waiting.add(room)
      wanted.asked.clear()
      wanted.attempts = 0
    }
  }

  forget(node: string): void {
    this.#nodes.delete(node)
  }

  /** Asks for what is due. */
  run(now: number): void {
    for (const [node, wanted] of this.#nodes) {
      const { asked } = wanted
      if (asked.size > 0) {
        if (wanted.due > now) continue
        wanted.attempts += 1
      } else if (!begin(wanted)) {
        this.#nodes.delete(node)
        continue
      }
      wanted.due = now + askAgain * 2 ** Math.min(wanted.attempts, doublings) * (0.75 + this.#random() / 2)
      this.#ask(node, [...asked])
    }
  }
}

/** Takes the next ones. Returns whether there are any. */
function begin(wanted: Wanted): boolean {
  wanted.attempts = 0
  for (const room of wanted.waiting) {
    if (wanted.asked.size === maxRooms) break
    wanted.waiting.delete(room)
    wanted.asked.add(room)
  }
  return wanted.asked.size > 0
}
