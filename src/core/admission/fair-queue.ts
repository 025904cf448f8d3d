/** Somebody's place in a queue. The fields below `item` belong to the queue. */
export class Place<T> {
  readonly item: T
  /** @internal Null once it has left. */
  line: Line<T> | null = null
  /** @internal Neighbours in its line. */
  before: Place<T> | null = null
  /** @internal */
  behind: Place<T> | null = null

  constructor(item: T) {
    this.item = item
  }

  /** Whether it still waits. */
  get waiting(): boolean {
    return this.line !== null
  }
}

/** Those of one client, in the order they came. */
class Line<T> {
  readonly client: string | null
  first: Place<T> | null = null
  last: Place<T> | null = null
  length = 0
  /** Neighbours in the circle of turns. */
  next: Line<T> = this
  previous: Line<T> = this
  /** Neighbours among the lines of the same length. */
  longer: Line<T> | null = null
  shorter: Line<T> | null = null

  constructor(client: string | null) {
    this.client = client
  }
}

/**
 * A bounded queue that is fair among clients: they take turns, and within one who came first goes first. Everything
 * is O(1), leaving from the middle included, and nothing is kept of who does not wait.
 *
 * Whoever has no name (`null`) is a client of its own.
 */
export class FairQueue<T> {
  /** Most who may wait. May change: nobody who waits already has to go. */
  capacity: number
  readonly #lines = new Map<string, Line<T>>()
  /** Lines by length, so that the longest is found without looking for it. */
  readonly #byLength: (Line<T> | null)[] = [null]
  #longest = 0
  #size = 0
  /** Whose turn it is. */
  #turn: Line<T> | null = null

  constructor(capacity: number) {
    this.capacity = capacity
  }

  get size(): number {
    return this.#size
  }

  /** Whether a newcomer has to be refused, or somebody else in its place. */
  get full(): boolean {
    return this.#size >= this.capacity
  }

  /** Adds to the end of the client's line, whatever the capacity says; a new client's turn is after all others'. */
  enter(item: T, client: string | null): Place<T> {
    const place = new Place(item)
    const line = this.#lineOf(client)
    place.line = line
    place.before = line.last
    if (line.last === null) line.first = place
    else line.last.behind = place
    line.last = place
    this.#size++
    this.#resize(line, line.length + 1)
    return place
  }

  /**
   * Who should go for a newcomer of this client: the last of the longest line, if that has at least two more than
   * the newcomer's; else null, since nobody would be treated more fairly by that.
   */
  yielding(client: string | null): Place<T> | null {
    const own = client === null ? 0 : (this.#lines.get(client)?.length ?? 0)
    if (this.#longest < own + 2) return null
    return this.#byLength[this.#longest]?.last ?? null
  }

  /** Gives a place up; harmless when that has happened already. */
  leave(place: Place<T>): void {
    const { line, before, behind } = place
    if (line === null) return
    place.line = null
    place.before = null
    place.behind = null
    if (before === null) line.first = behind
    else before.behind = behind
    if (behind === null) line.last = before
    else behind.before = before
    this.#size--
    this.#resize(line, line.length - 1)
    if (line.length === 0) this.#removeLine(line)
  }

  /** Who is next; null when nobody waits. */
  peek(): T | null {
    return this.#turn?.first?.item ?? null
  }

  /** Takes the next one out; the turn goes to the next client. */
  next(): T | null {
    const line = this.#turn
    const place = line?.first ?? null
    if (line === null || place === null) return null
    this.#turn = line.next
    this.leave(place)
    return place.item
  }

  /** Passes the turn on to the next client without taking anybody out. */
  skip(): void {
    if (this.#turn !== null) this.#turn = this.#turn.next
  }

  #lineOf(client: string | null): Line<T> {
    const known = client === null ? undefined : this.#lines.get(client)
    if (known !== undefined) return known
    const line = new Line<T>(client)
    if (client !== null) this.#lines.set(client, line)
    const turn = this.#turn
    if (turn === null) {
      this.#turn = line
    } else {
      line.next = turn
      line.previous = turn.previous
      turn.previous.next = line
      turn.previous = line
    }
    return line
  }

  #removeLine(line: Line<T>): void {
    if (line.client !== null) this.#lines.delete(line.client)
    if (line.next === line) {
      this.#turn = null
      return
    }
    if (this.#turn === line) this.#turn = line.next
    line.previous.next = line.next
    line.next.previous = line.previous
  }

  /** Moves a line to those of another length, which is one more or one less. */
  #resize(line: Line<T>, length: number): void {
    const byLength = this.#byLength
    const { longer, shorter } = line
    if (line.length > 0) {
      if (shorter === null) byLength[line.length] = longer
      else shorter.longer = longer
      if (longer !== null) longer.shorter = shorter
    }
    const other = length === 0 ? null : (byLength[length] ?? null)
    line.shorter = null
    line.longer = other
    if (other !== null) other.shorter = line
    if (length > 0) byLength[length] = line
    line.length = length
    if (length > this.#longest) this.#longest = length
    // A line that shrinks is now one less: no length in between was left out.
    else if (byLength[this.#longest] === null) this.#longest = Math.max(0, this.#longest - 1)
    byLength.length = this.#longest + 1
  }
}
