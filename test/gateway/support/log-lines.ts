import type { Log } from '../../../src/gateway/log.ts'

/** One line of the log. */
export type LogLine = Readonly<Record<string, unknown>> & { readonly event?: string; readonly code?: string }

/** A log that keeps its lines and tells when one comes. */
export class LogLines implements Log {
  readonly lines: LogLine[] = []
  #waiting: (() => void)[] = []

  debug(fields: object, message: string): void {
    this.#add('debug', fields, message)
  }

  info(fields: object, message: string): void {
    this.#add('info', fields, message)
  }

  warn(fields: object, message: string): void {
    this.#add('warn', fields, message)
  }

  error(fields: object, message: string): void {
    this.#add('error', fields, message)
  }

  /** The lines of one event. */
  of(event: string): LogLine[] {
    return this.lines.filter((line) => line.event === event)
  }

  /** The line of an event with this number, counted from 0, once it is there. */
  async line(event: string, index = 0): Promise<LogLine> {
    for (;;) {
      const line = this.of(event)[index]
      if (line !== undefined) return line
      await new Promise<void>((resolve) => this.#waiting.push(resolve))
    }
  }

  #add(level: string, fields: object, message: string): void {
    this.lines.push({ level, ...fields, message })
    for (const resolve of this.#waiting.splice(0)) resolve()
  }
}
