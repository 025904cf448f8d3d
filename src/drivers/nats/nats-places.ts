import type { HistoryLimits, Position } from '../../hub/cluster.ts'

/** Where a message stands in the history of its room, and what the room keeps. Set by whoever appends it. */
export const placeHeader = 'Fairlead-At'

/** How many of the messages before it a message names. */
const maxBefore = 16

/** Offset 0 is an entry without a message: it says which epoch has begun. */
export interface HistoryPlace extends Position, HistoryLimits {
  /**
   * Sequences in the stream of the messages before it, the last one first. So a reader finds what it has missed from
   * the newest message on, many at once, without a consumer: to make one can take seconds just when a server has died.
   */
  readonly before: readonly number[]
}

/** The last message of a room. */
export interface HistoryTop extends HistoryPlace {
  /** Its sequence in the stream, by which the next one compares; 0 when there is none. */
  readonly sequence: number
}

/** Where the message after `last` stands. */
export function placeAfter(
  last: HistoryTop | null,
  epoch: string,
  { size, age }: HistoryLimits,
): HistoryPlace {
  if (last === null) return { epoch, offset: 1, size, age, before: [] }
  const before = [last.sequence, ...last.before].slice(0, maxBefore)
  return { epoch: last.epoch, offset: last.offset + 1, size, age, before }
}

export function writePlace({ epoch, offset, size, age, before }: HistoryPlace): string {
  const steps = before.map((sequence, index) =>
    (index === 0 ? sequence : (before[index - 1] as number) - sequence).toString(36),
  )
  return `${epoch} ${offset} ${size} ${age} ${steps.join()}`
}

const written = /^([\w-]{1,64}) (\d{1,15}) (\d{1,15}) (\d{1,15}) ?([0-9a-z,]{0,300})$/

/** Null for what somebody else has written. */
export function readPlace(text: string): HistoryPlace | null {
  const [, epoch = '', offset, size, age, steps = ''] = written.exec(text) ?? []
  if (epoch === '') return null
  const before: number[] = []
  for (const step of steps === '' ? [] : steps.split(',')) {
    const number = Number.parseInt(step, 36)
    before.push(before.length === 0 ? number : (before.at(-1) as number) - number)
  }
  return { epoch, offset: Number(offset), size: Number(size), age: Number(age), before }
}

/** Rooms of which the last message is remembered; of more than that, those are forgotten that were used longest ago. */
const maxRooms = 10_000

/**
 * The last message of the rooms that this node appends to, as far as it knows: what the next append compares with.
 * What is wrong here costs one more try, no more.
 */
export class NatsPlaces {
  readonly #tops = new Map<string, HistoryTop>()

  get(channel: string): HistoryTop | null {
    return this.#tops.get(channel) ?? null
  }

  set(channel: string, top: HistoryTop): void {
    this.#tops.delete(channel)
    this.#tops.set(channel, top)
    if (this.#tops.size <= maxRooms) return
    for (const oldest of this.#tops.keys()) {
      this.#tops.delete(oldest)
      return
    }
  }

  /** The stream may be another one, with the same sequences for other messages. */
  clear(): void {
    this.#tops.clear()
  }

  forget(channel: string): void {
    this.#tops.delete(channel)
  }

  /** Another node has appended, so that this one need not try in vain. */
  heard(channel: string, place: HistoryPlace, sequence: number): void {
    const known = this.#tops.get(channel)
    if (known !== undefined && sequence > known.sequence) this.set(channel, { ...place, sequence })
  }
}
