import { write, writeSync } from 'node:fs'

/** Where log lines go. `write` never throws, never waits and takes whole lines. */
export interface LogOutput {
  write(lines: string): void
}

interface FileLogOptions {
  /** Milliseconds a line may wait for company. */
  readonly delay: number
  /** Characters kept while the reader is slow; beyond that, lines are dropped and counted. @default 8 Mi */
  readonly limit?: number
  /** The line that tells how many were dropped. */
  readonly onDropped: (lines: number) => string
}

/** Enough for one write to cost little per line, small enough for a pipe to take at once (64 KiB on Linux). */
const batch = 48 * 1024
const retryDelay = 10

/**
 * Collects lines and writes them to a file descriptor in batches. Measured at 40 lines per event loop turn
 * into a pipe, CPU per line with pino's own part: 1.8 us on Bun and 1.9 us on Node, against 3.1 us and 3.7 us
 * with `sonic-boom`.
 *
 * A log must never take the service down: a reader that is gone (EPIPE) or a full disk loses lines, a slow
 * reader costs bounded memory, and none of it throws.
 */
export class FileLogOutput implements LogOutput {
  readonly #fd: number
  readonly #delay: number
  readonly #limit: number
  readonly #onDropped: (lines: number) => string
  #pending = ''
  /** What the kernel is asked to take; null between writes. */
  #writing: Buffer | null = null
  /** The kernel refused `#writing` for now and holds nothing of it. */
  #stalled = false
  #gone = false
  #dropped = 0
  #timer: NodeJS.Timeout | null = null
  #flushes: (() => void)[] = []

  constructor(fd: number, options: FileLogOptions) {
    this.#fd = fd
    this.#delay = options.delay
    this.#limit = options.limit ?? 8 * 1024 * 1024
    this.#onDropped = options.onDropped
  }

  write(lines: string): void {
    if (this.#gone) return
    if (this.#pending.length + lines.length > this.#limit) {
      this.#dropped++
      return
    }
    this.#pending += lines
    this.#schedule()
  }

  /** Resolves when everything written so far was taken by the descriptor, or can never be. */
  flush(): Promise<void> {
    return new Promise((resolve) => {
      this.#flushes.push(resolve)
      this.#start()
    })
  }

  /** The same at once, for a process that is about to end; gives up where it would have to wait. */
  flushSync(): void {
    if (this.#gone) return
    // A batch that the kernel is taking right now is left to it: writing it again would double lines.
    const refused = this.#stalled && this.#writing !== null ? this.#writing : Buffer.alloc(0)
    let rest = Buffer.concat([refused, Buffer.from(this.#pending)])
    this.#pending = ''
    try {
      while (rest.length > 0) rest = rest.subarray(writeSync(this.#fd, rest))
    } catch {
      // EAGAIN or EPIPE: nobody reads, and the process must end all the same.
    }
  }

  #schedule(): void {
    if (this.#pending.length >= batch || this.#flushes.length > 0) this.#start()
    else if (this.#pending !== '') this.#timer ??= setTimeout(() => this.#onTimer(), this.#delay).unref()
  }

  #onTimer(): void {
    this.#timer = null
    this.#start()
  }

  #start(): void {
    if (this.#writing !== null) return
    if (this.#dropped > 0) {
      this.#pending += this.#onDropped(this.#dropped)
      this.#dropped = 0
    }
    if (this.#gone) this.#pending = ''
    if (this.#pending === '') {
      this.#settle()
      return
    }
    this.#writing = Buffer.from(this.#pending)
    this.#pending = ''
    this.#send(this.#writing)
  }

  #send(chunk: Buffer): void {
    this.#stalled = false
    write(this.#fd, chunk, 0, chunk.length, null, (error, written) => this.#onWritten(chunk, error, written))
  }

  #onWritten(chunk: Buffer, error: NodeJS.ErrnoException | null, written: number): void {
    // A descriptor that somebody made non-blocking: its reader is slow, not gone.
    if (error?.code === 'EAGAIN') {
      this.#stalled = true
      setTimeout(() => this.#send(chunk), retryDelay).unref()
      return
    }
    if (error === null && written < chunk.length) {
      this.#writing = chunk.subarray(written)
      this.#send(this.#writing)
      return
    }
    // Any other error, such as a full disk, loses this batch: the next one may be written again.
    if (error?.code === 'EPIPE' || error?.code === 'EBADF') this.#gone = true
    this.#writing = null
    this.#schedule()
  }

  #settle(): void {
    const flushes = this.#flushes
    this.#flushes = []
    for (const resolve of flushes) resolve()
  }
}
