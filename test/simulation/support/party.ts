import type { SocketError, SocketHandler } from '../../../src/net/socket.ts'
import type { Chance } from './chance.ts'
import type { SimSocket } from './sim-socket.ts'
import type { Task, World } from './world.ts'

/** What parties of one run share. */
export interface Surroundings {
  readonly world: World
  readonly chance: Chance
  /** Nobody misbehaves, so everything has to succeed. */
  readonly calm: boolean
  /** Tunnels come and go without doing much. */
  readonly crowded: boolean
  /** Bytes of one thing that is said, at most. */
  readonly largest: number
  /** Counts something that came up. */
  count(what: string): void
}

/** Somebody at the other end of a connection of the gateway: says what is in its outbox, piece by piece. */
export abstract class Party implements SocketHandler, Task {
  ready = false
  readonly around: Surroundings
  readonly chance: Chance
  socket!: SimSocket
  /** The peer's FIN was told. */
  heardEnd = false
  gone = false
  readonly #outbox: Uint8Array[] = []
  #blocked = false
  /** It says no more. */
  endWanted = false
  /** How often it stops reading for a while. */
  readonly #sloth: number

  constructor(around: Surroundings) {
    this.around = around
    this.chance = around.chance
    this.#sloth = this.chance.is(0.2) ? (around.calm ? 0.02 : 0.2) : 0
  }

  protected abstract heard(chunk: Uint8Array): void
  protected abstract heardFin(): void
  protected abstract left(error: SocketError | null): void

  get hasMoreToSay(): boolean {
    return this.#outbox.length > 0
  }

  say(...chunks: readonly Uint8Array[]): void {
    this.#outbox.push(...chunks)
    this.#wake()
  }

  /** FIN behind what was said. */
  sayEnd(): void {
    this.endWanted = true
    this.#wake()
  }

  /** One piece. */
  run(): void {
    if (this.gone || this.#blocked) return
    const first = this.#outbox[0]
    if (first === undefined) {
      if (this.endWanted) this.socket.end()
      return
    }
    const whole = this.chance.is(0.6)
    const size = whole ? first.length : this.chance.int(1, first.length)
    if (size === first.length) this.#outbox.shift()
    else this.#outbox[0] = first.subarray(size)
    if (!this.socket.write(first.subarray(0, size))) this.#blocked = true
    this.#wake()
  }

  onOpen(): void {}

  onData(socket: SimSocket, chunk: Uint8Array): void {
    this.heard(chunk)
    if (!this.chance.is(this.#sloth)) return
    socket.pause()
    this.around.world.after(this.chance.int(0, 300), () => socket.resume())
  }

  onDrain(): void {
    this.#blocked = false
    this.#wake()
  }

  onEnd(): void {
    this.heardEnd = true
    this.heardFin()
  }

  onClose(_socket: SimSocket, error: SocketError | null): void {
    if (this.gone) this.around.world.violated('onClose was told twice')
    this.gone = true
    this.left(error)
  }

  #wake(): void {
    if (this.#outbox.length > 0 || this.endWanted) this.around.world.wake(this)
  }
}
