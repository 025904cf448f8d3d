import type { Socket, SocketError, SocketHandler } from '../socket.ts'

export type SocketEvent = 'open' | 'data' | 'drain' | 'end' | 'close'

/** What a test does inside a callback, after the recorder has taken note. */
export type Reactions = Partial<SocketHandler>

/** A handler that writes down what it is told, and lets a test wait for it. */
export class Recorder implements SocketHandler {
  /** Every event in order; consecutive `data` counts as one. */
  readonly events: SocketEvent[] = []
  readonly chunks: Uint8Array[] = []
  bytes = 0
  drains = 0
  /** Undefined until `onClose`. */
  error: SocketError | null | undefined
  /** Set while a test calls a method of the socket, in which nothing may be told. */
  inside = false
  told: SocketEvent[] = []
  private readonly reactions: Reactions
  private readonly waiting = new Set<{ holds: () => boolean; resolve: () => void }>()

  constructor(reactions: Reactions = {}) {
    this.reactions = reactions
  }

  get text(): string {
    return Buffer.concat(this.chunks).toString()
  }

  onOpen(socket: Socket): void {
    this.note('open')
    this.react(() => this.reactions.onOpen?.(socket))
  }

  onData(socket: Socket, chunk: Uint8Array): void {
    this.note('data')
    this.chunks.push(chunk)
    this.bytes += chunk.length
    this.react(() => this.reactions.onData?.(socket, chunk))
  }

  onDrain(socket: Socket): void {
    this.note('drain')
    this.drains++
    this.react(() => this.reactions.onDrain?.(socket))
  }

  onEnd(socket: Socket): void {
    this.note('end')
    this.react(() => this.reactions.onEnd?.(socket))
  }

  onClose(socket: Socket, error: SocketError | null): void {
    this.note('close')
    this.error = error
    this.react(() => this.reactions.onClose?.(socket, error))
  }

  /** Resolves when the condition holds; it is looked at after each event. */
  until(holds: () => boolean): Promise<void> {
    if (holds()) return Promise.resolve()
    return new Promise((resolve) => this.waiting.add({ holds, resolve }))
  }

  saw(event: SocketEvent): Promise<void> {
    return this.until(() => this.events.includes(event))
  }

  async closed(): Promise<SocketError | null> {
    await this.saw('close')
    return this.error as SocketError | null
  }

  /** Runs methods of the socket; what is told meanwhile lands in `told`. */
  during(methods: () => void): void {
    this.inside = true
    methods()
    this.inside = false
  }

  private note(event: SocketEvent): void {
    if (this.inside) this.told.push(event)
    if (event !== 'data' || this.events.at(-1) !== 'data') this.events.push(event)
  }

  private react(reaction: () => void): void {
    try {
      reaction()
    } finally {
      this.wake()
    }
  }

  private wake(): void {
    for (const one of this.waiting) {
      if (!one.holds()) continue
      this.waiting.delete(one)
      one.resolve()
    }
  }
}
