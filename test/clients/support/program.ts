import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readdirSync, readFileSync } from 'node:fs'

/** A process that a test started, on the runtime that runs the test. */
export class Program {
  readonly process: ChildProcess
  /** Exit code, or null when a signal ended it. */
  readonly ended: Promise<number | null>
  #output = ''
  #changed: () => void = () => {}

  /**
   * @param args a TypeScript file and its arguments
   * @param descriptors most file descriptors it may have, if fewer than this process
   */
  constructor(args: readonly string[], descriptors?: number) {
    const [program, ...rest] =
      descriptors === undefined
        ? [process.execPath, ...args]
        : ['sh', '-c', `ulimit -n ${descriptors} && exec "$0" "$@"`, process.execPath, ...args]
    this.process = spawn(program as string, rest, { stdio: ['ignore', 'pipe', 'pipe'] })
    for (const stream of [this.process.stdout, this.process.stderr]) {
      stream?.setEncoding('utf8').on('data', (text: string) => {
        this.#output += text
        this.#changed()
      })
    }
    this.ended = once(this.process, 'close').then(([code]) => code as number | null)
  }

  get pid(): number {
    return this.process.pid as number
  }

  /** Everything it has printed. */
  get output(): string {
    return this.#output
  }

  /** Descriptors it has open. */
  get descriptors(): number {
    return readdirSync(`/proc/${this.pid}/fd`).length
  }

  /** The first group of the match, once it has been printed. */
  async says(pattern: RegExp): Promise<string> {
    for (;;) {
      const match = pattern.exec(this.#output)
      if (match) return match[1] ?? match[0]
      const more = new Promise<boolean>((resolve) => {
        this.#changed = () => resolve(true)
      })
      const goesOn = await Promise.race([more, this.ended.then(() => false)])
      if (!goesOn && !pattern.test(this.#output))
        throw new Error(`it never said ${pattern}:\n${this.#output}`)
    }
  }

  /** Ends it at once, also when it is stopped. */
  async kill(): Promise<void> {
    if (this.process.exitCode === null && this.process.signalCode === null) this.process.kill('SIGKILL')
    await this.ended
  }

  /** Resident memory in bytes. */
  get memory(): number {
    const status = readFileSync(`/proc/${this.pid}/status`, 'utf8')
    return Number(/VmRSS:\s+(\d+) kB/.exec(status)?.[1]) * 1024
  }

  /** Processor time so far in milliseconds, in steps of 10. */
  get processorTime(): number {
    const [, fields = ''] = readFileSync(`/proc/${this.pid}/stat`, 'utf8').split(') ')
    const [user, system] = fields.split(' ').slice(11, 13)
    return (Number(user) + Number(system)) * 10
  }
}
