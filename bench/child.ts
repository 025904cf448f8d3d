import { type ChildProcess, spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import { listProcessTree } from './proc.ts'

const stderrLimit = 4000
const politeMs = 2000

/** What the bench started and has not ended yet. Nothing else is ever signalled. */
const running = new Set<Child>()

export interface Command {
  readonly file: string
  readonly args: readonly string[]
  readonly env?: Readonly<Record<string, string>>
  /** Whether its standard output is read line by line; otherwise it is dropped. @default false */
  readonly talks?: boolean
}

/** A process the bench started. */
export class Child {
  readonly #process: ChildProcess
  readonly #exited: Promise<void>
  readonly #lines: AsyncIterator<string> | null
  #stderr = ''
  #ended = false

  constructor(command: Command) {
    this.#process = spawn(command.file, command.args, {
      env: { ...process.env, ...command.env },
      stdio: ['pipe', command.talks ? 'pipe' : 'ignore', 'pipe'],
    })
    running.add(this)
    this.#exited = new Promise((resolve) => {
      const ended = () => {
        this.#ended = true
        running.delete(this)
        resolve()
      }
      this.#process.once('exit', ended)
      this.#process.once('error', (error) => {
        this.#stderr += error.message
        ended()
      })
    })
    // A write to a process that has just ended is not an error of the bench; its exit is noticed elsewhere.
    this.#process.stdin!.on('error', () => {})
    this.#process.stderr!.setEncoding('utf8').on('data', (text: string) => {
      this.#stderr = (this.#stderr + text).slice(-stderrLimit)
    })
    const { stdout } = this.#process
    this.#lines = stdout === null ? null : createInterface({ input: stdout })[Symbol.asyncIterator]()
  }

  get pid(): number {
    return this.#process.pid!
  }

  get ended(): boolean {
    return this.#ended
  }

  /** The end of what it wrote to standard error. */
  get complaint(): string {
    return this.#stderr.trim()
  }

  writeLine(line: string): void {
    this.#process.stdin!.write(`${line}\n`)
  }

  /** The next line of its standard output; rejects when it ends instead or takes longer than the given time. */
  async readLine(deadlineMs: number): Promise<string> {
    if (this.#lines === null) throw new Error(`the output of process ${this.pid} is not read`)
    const timeout = Promise.withResolvers<never>()
    const timer = setTimeout(
      () => timeout.reject(new Error(`process ${this.pid} did not answer in ${deadlineMs} ms`)),
      deadlineMs,
    )
    try {
      const next = await Promise.race([this.#lines.next(), timeout.promise])
      if (next.done === true) throw new Error(`process ${this.pid} ended: ${this.complaint}`)
      return next.value
    } finally {
      clearTimeout(timer)
    }
  }

  /** Asks it to end, and insists after two seconds, on its own children as well. */
  async stop(): Promise<void> {
    if (this.#ended) return
    const tree = listProcessTree(this.pid)
    this.#process.kill('SIGTERM')
    const timer = setTimeout(() => {
      for (const pid of tree) kill(pid)
    }, politeMs)
    await this.#exited
    clearTimeout(timer)
  }

  /** Ends it at once, with its children, without waiting. */
  kill(): void {
    if (!this.#ended) for (const pid of listProcessTree(this.pid)) kill(pid)
  }
}

/** Ends everything that still runs. */
export async function stopAll(): Promise<void> {
  await Promise.all([...running].map((child) => child.stop()))
}

/** The last resort on the way out of the process. */
export function killAll(): void {
  for (const child of running) child.kill()
}

function kill(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL')
  } catch {
    // It ended by itself in the meantime.
  }
}
