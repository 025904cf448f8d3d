import { type ChildProcess, spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import type { PortRange } from './chat-server.ts'

export type ServerState = 'starting' | 'running' | 'stopped'

export interface ChatServerProcess {
  readonly name: string
  readonly state: ServerState
  /** Process id while it is starting or running. */
  readonly pid: number | undefined
  /** `host:port`, the same after every start; `''` before the first start. */
  readonly address: string
  /** Resolves when the server listens; rejects when it ended before. Does nothing when it is not stopped. */
  start(): Promise<void>
  /** SIGKILL: no goodbye to anybody. Resolves when the process is gone. */
  kill(): Promise<void>
}

// The file beside this one: TypeScript from source, JavaScript from `dist/`.
const program = fileURLToPath(new URL(`./chat-server-main${import.meta.url.slice(-3)}`, import.meta.url))

/**
 * One chat server in a process of its own, on the runtime this process runs on.
 * @param ports where it looks for a free port at the first start; later starts take the same one again
 * @param onChange told whenever `state` has changed
 */
export function chatServerProcess(name: string, ports: PortRange, onChange: () => void): ChatServerProcess {
  let child: ChildProcess | undefined
  let gone: Promise<void> = Promise.resolve()
  let starting: Promise<void> | undefined
  let state: ServerState = 'stopped'
  let port = 0

  const become = (next: ServerState) => {
    state = next
    onChange()
  }

  async function launch(): Promise<void> {
    await gone
    const { first, last } = port === 0 ? ports : { first: port, last: port }
    const started = spawn(process.execPath, [program, name, String(first), String(last)], {
      stdio: ['pipe', 'pipe', 'pipe'],
      windowsHide: true,
    })
    child = started
    gone = new Promise((resolve) => {
      const end = () => {
        if (child === started) {
          child = undefined
          become('stopped')
        }
        resolve()
      }
      started.once('exit', end)
      started.once('error', end)
    })
    // The pipe breaks when the server is killed; its exit tells us.
    started.stdin.on('error', () => {})
    become('starting')
    port = await announcedPort(started, name)
    become('running')
  }

  return {
    name,
    get state() {
      return state
    },
    get pid() {
      return child?.pid
    },
    get address() {
      return port === 0 ? '' : `127.0.0.1:${port}`
    },
    start() {
      if (state === 'running') return Promise.resolve()
      starting ??= launch().finally(() => {
        starting = undefined
      })
      return starting
    },
    kill() {
      child?.kill('SIGKILL')
      return gone
    },
  }
}

/** The port the server says it listens on, in its first line. */
function announcedPort(child: ChildProcess, name: string): Promise<number> {
  return new Promise((resolve, reject) => {
    let complaint = ''
    child.stderr?.on('data', (chunk: Buffer) => {
      complaint = (complaint + chunk).slice(-2000)
    })
    const lines = createInterface({ input: child.stdout as NonNullable<typeof child.stdout> })
    lines.once('line', (line) => resolve((JSON.parse(line) as { port: number }).port))
    child.once('error', (cause) => reject(new Error(`chat server ${name} could not be started`, { cause })))
    child.once('close', () =>
      reject(new Error(`chat server ${name} ended before it listened. ${complaint.trim()}`)),
    )
  })
}
