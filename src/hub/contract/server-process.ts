import { type ChildProcess, spawn } from 'node:child_process'
import { randomInt } from 'node:crypto'
import { once } from 'node:events'
import { existsSync, readFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'

/** Below those that systems give to connections: a server that starts again finds its port free. */
const [firstPort, ports] = [10_000, 10_000] as const
const given = new Set<number>()

/** A port that nobody listens on just now. */
export async function freePort(): Promise<number> {
  for (;;) {
    const port = firstPort + randomInt(ports)
    if (given.has(port)) continue
    given.add(port)
    if (await isFree(port)) return port
  }
}

async function isFree(port: number): Promise<boolean> {
  const server = createServer()
  try {
    server.listen(port, '127.0.0.1')
    await once(server, 'listening')
    return true
  } catch {
    return false
  } finally {
    server.close()
  }
}

/** SIGSTOP. Resolves when the process has stopped: what is sent to it from then on waits. */
export async function stopProcess(pid: number): Promise<void> {
  process.kill(pid, 'SIGSTOP')
  const stat = `/proc/${pid}/stat`
  for (let waited = 0; waited < 100 && existsSync(stat); waited++) {
    if (/\) T /.test(readFileSync(stat, 'utf8'))) break
    await sleep(10)
  }
  // Threads stop one after the other.
  await sleep(30)
}

/** A server that a test starts, kills, stops and starts again. It ends with the test's own process at the latest. */
export class ServerProcess {
  readonly #command: string
  readonly #args: readonly string[]
  readonly #isReady: () => Promise<boolean>
  #child: ChildProcess | null = null
  #output = ''
  readonly #onExit = () => this.#child?.kill('SIGKILL')

  constructor(command: string, args: readonly string[], isReady: () => Promise<boolean>) {
    this.#command = command
    this.#args = args
    this.#isReady = isReady
    process.on('exit', this.#onExit)
  }

  /** Resolves when it answers. */
  async start(): Promise<void> {
    const child = spawn(this.#command, this.#args, { stdio: ['ignore', 'pipe', 'pipe'] })
    this.#child = child
    this.#output = ''
    const keep = (chunk: Buffer) => {
      this.#output = (this.#output + chunk).slice(-4_000)
    }
    child.stdout.on('data', keep)
    child.stderr.on('data', keep)
    let failed: Error | null = null
    child.on('error', (error) => {
      failed = error
    })
    const deadline = performance.now() + 20_000
    while (!(await this.#isReady())) {
      if (failed !== null) throw failed
      const ended = child.exitCode !== null || child.signalCode !== null
      if (ended || performance.now() > deadline) {
        throw new Error(`${this.#command} did not start: ${this.#output}`)
      }
      await sleep(20)
    }
  }

  /** SIGKILL. */
  async kill(): Promise<void> {
    const child = this.#child
    this.#child = null
    if (child === null || child.exitCode !== null || child.signalCode !== null) return
    const ended = new Promise((resolve) => child.once('exit', resolve))
    child.kill('SIGKILL')
    await ended
  }

  /** SIGSTOP. */
  async pause(): Promise<void> {
    if (this.#child?.pid !== undefined) await stopProcess(this.#child.pid)
  }

  resume(): void {
    this.#child?.kill('SIGCONT')
  }

  /** SIGHUP, at which many servers read their configuration again. */
  hangUp(): void {
    this.#child?.kill('SIGHUP')
  }

  async dispose(): Promise<void> {
    process.off('exit', this.#onExit)
    await this.kill()
  }
}
