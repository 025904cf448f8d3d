import type { HistoryLimits, Position } from './cluster.ts'
import type { RoomConfig } from './cluster-options.ts'
import type { Data } from './local.ts'
import { checkData } from './message.ts'
import { allUsers } from './names.ts'
import { fitsPattern } from './room-pattern.ts'

interface Pattern {
  readonly glob: string
  readonly config: RoomConfig
}

export interface RoomRulesOptions {
  readonly rooms: Readonly<Record<string, RoomConfig>>
  readonly userPresence: boolean
  readonly stampFailed: (room: string, error: unknown) => void
}

/** Which rooms have presence or history, by the names and patterns of the options. */
export class RoomRules {
  readonly #exact = new Map<string, RoomConfig>()
  readonly #patterns: readonly Pattern[]
  readonly #any: boolean
  readonly #userPresence: boolean
  readonly #stampFailed: (room: string, error: unknown) => void

  constructor({ rooms, userPresence, stampFailed }: RoomRulesOptions) {
    this.#userPresence = userPresence
    this.#stampFailed = stampFailed
    const patterns: Pattern[] = []
    for (const [name, config] of Object.entries(rooms)) {
      if (name.includes('*')) patterns.push({ glob: name, config })
      else this.#exact.set(name, config)
    }
    this.#patterns = patterns
    this.#any = patterns.length > 0 || this.#exact.size > 0
  }

  hasPresence(room: string): boolean {
    if (room === allUsers) return this.#userPresence
    return this.#any && this.#of(room)?.presence === true
  }

  /** Null for a room without history. */
  history(room: string): HistoryLimits | null {
    if (!this.#any) return null
    return this.#of(room)?.history || null
  }

  /** Whether any room may have history. */
  get someHistory(): boolean {
    return [...this.#exact.values(), ...this.#patterns.map(({ config }) => config)].some(
      ({ history }) => history !== false,
    )
  }

  /** What clients of a room are sent; when the stamp of one with history fails, the message as it is. */
  stamp(room: string, data: Data, position: Position | null): Data {
    if (!this.#any) return data
    const history = this.#of(room)?.history || null
    if (history?.stamp === undefined) return data
    try {
      const stamped = history.stamp(data, position, room)
      checkData(stamped)
      return stamped
    } catch (error) {
      this.#stampFailed(room, error)
      return data
    }
  }

  #of(room: string): RoomConfig | null {
    const exact = this.#exact.get(room)
    if (exact !== undefined) return exact
    for (const { glob, config } of this.#patterns) if (fitsPattern(glob, room)) return config
    return null
  }
}
