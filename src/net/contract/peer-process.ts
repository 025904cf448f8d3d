import { type ChildProcess, spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'

const program = fileURLToPath(new URL('./peer-process-main.ts', import.meta.url))

export interface PeerOptions {
  /** A listening descriptor that the peer gets as its descriptor 3. */
  readonly inherit?: number
  /** The most descriptors it may open. */
  readonly maximum?: number
}

/** Another process, for what cannot be seen from inside the one that does it. See peer-process-main.ts for the roles. */
export class PeerProcess implements AsyncDisposable {
  /** Descriptors it costs this process. */
  readonly descriptors = 3
  readonly pid: number
  private readonly child: ChildProcess
  private readonly lines: AsyncIterator<string>

  private constructor(child: ChildProcess) {
    this.child = child
    this.pid = child.pid ?? 0
    if (child.stdout === null) throw new Error('the peer has no output')
    this.lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]()
  }

  static async start(
    role: string,
    parameters: readonly string[] = [],
    options: PeerOptions = {},
  ): Promise<PeerProcess> {
    const { command, args } = peerCommand(role, parameters, options.maximum)
    const inherit = options.inherit === undefined ? [] : [options.inherit]
    const child = spawn(command, args, { stdio: ['pipe', 'pipe', 'inherit', ...inherit] })
    return new PeerProcess(child)
  }

  /** The next line it prints. */
  async line(): Promise<string> {
    const { value, done } = await this.lines.next()
    if (done === true) throw new Error('the peer ended')
    return value
  }

  say(line: string): void {
    this.child.stdin?.write(`${line}\n`)
  }

  kill(): void {
    this.child.kill('SIGKILL')
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const { child } = this
    if (child.exitCode !== null || child.signalCode !== null) return
    const gone = new Promise((resolve) => child.once('close', resolve))
    child.kill('SIGKILL')
    await gone
  }
}

/** The command line of a peer, for those that block until it has ended. */
export function peerCommand(
  role: string,
  parameters: readonly string[],
  maximum?: number,
): { command: string; args: string[] } {
  const own = [program, role, ...parameters]
  if (maximum === undefined) return { command: process.execPath, args: own }
  const script = `ulimit -n ${maximum}; exec "$0" "$@"`
  return { command: '/bin/sh', args: ['-c', script, process.execPath, ...own] }
}
