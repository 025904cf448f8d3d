import { mkdirSync } from 'node:fs'
import { get } from 'node:http'
import { join } from 'node:path'
import { Child } from './child.ts'
import { pinned, type Role, tethered } from './cores.ts'
import { findFreePort } from './free-port.ts'
import type { Job, JobAnswer, Window, WindowResult } from './job.ts'
import type { Peer } from './peers.ts'
import { listProcessTree } from './proc.ts'
import { findRuntime, packageFolder } from './runtimes.ts'

const startAttempts = 3
const startDeadlineMs = 10_000
const jobDeadlineMs = 60_000

type WindowKind = 'messages' | 'requests' | 'upgrades' | 'paced'

/** The shape of one measurement, without whom it is made on. */
export type Shape = Pick<Window, 'connections' | 'payload' | 'warmMs' | 'measureMs'>

export interface RunningPeer {
  readonly peer: Peer
  readonly port: number
  readonly child: Child
}

/** The backend and the load generator, and the peers in front of the one and behind the other. */
export class Rig {
  readonly backendPort: number
  readonly #folder: string
  readonly #backend: Child
  readonly #load: Child
  #started = 0

  private constructor(folder: string, backend: Child, load: Child, backendPort: number) {
    this.#folder = folder
    this.#backend = backend
    this.#load = load
    this.backendPort = backendPort
  }

  /** Starts both; the folder takes the configs of the peers. */
  static async start(folder: string): Promise<Rig> {
    const bun = findRuntime('bun')
    if (bun === null) throw new Error('the bench needs Bun for its load generator and backend; run npm ci')
    const startOwn = (role: Role, program: string) => {
      const command = { file: bun, args: [join(packageFolder, 'bench', program)], talks: true }
      return new Child(tethered(pinned(role, command)))
    }
    const backend = startOwn('backend', 'echo-backend.ts')
    const { port } = JSON.parse(await backend.readLine(startDeadlineMs))
    return new Rig(folder, backend, startOwn('generator', 'load.ts'), port)
  }

  /** Starts the peer on a free port and waits until it answers a request; one for WebSockets only may refuse it. */
  async startPeer(peer: Peer): Promise<RunningPeer> {
    let complaint = ''
    for (let attempt = 0; attempt < startAttempts; attempt++) {
      const folder = join(this.#folder, `${peer.name}-${++this.#started}`)
      mkdirSync(folder)
      const port = await findFreePort()
      const child = new Child(tethered(pinned('proxy', peer.command(port, this.backendPort, folder))))
      if (await answersInTime(port, child)) return { peer, port, child }
      complaint = child.complaint
      await child.stop()
    }
    throw new Error(`${peer.name} did not start: ${complaint || 'no answer through it'}`)
  }

  /** Puts load on a running peer, or on the backend itself. */
  async measure(kind: WindowKind, target: RunningPeer | 'direct', shape: Shape) {
    const direct = target === 'direct'
    const window: Window = {
      ...shape,
      port: direct ? this.backendPort : target.port,
      proxyPids: direct ? [] : listProcessTree(target.child.pid),
      backendPid: this.#backend.pid,
    }
    const job: Job = kind === 'paced' ? { ...window, kind, intervalMs: 10 } : { ...window, kind }
    return (await this.#perform(job)) as WindowResult
  }

  async openTunnels(target: RunningPeer, count: number): Promise<void> {
    await this.#perform({ kind: 'open-tunnels', port: target.port, count })
  }

  async closeTunnels(): Promise<void> {
    await this.#perform({ kind: 'close-tunnels' })
  }

  async #perform(job: Job): Promise<WindowResult | null> {
    this.#load.writeLine(JSON.stringify(job))
    const answer: JobAnswer = JSON.parse(await this.#load.readLine(jobDeadlineMs))
    if (!answer.ok) throw new Error(answer.error)
    return answer.result
  }
}

/** Whether something answers a request on the port while the child lives. */
export async function answersInTime(port: number, child: Child): Promise<boolean> {
  const deadline = Date.now() + startDeadlineMs
  while (Date.now() < deadline && !child.ended) {
    if (await answers(port)) return true
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
  return false
}

function answers(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const request = get(
      { host: '127.0.0.1', port, path: '/bench', agent: false, timeout: 1000 },
      (response) => {
        response.resume()
        response.once('close', () => resolve(response.statusCode! < 500))
      },
    )
    request.once('timeout', () => request.destroy())
    request.once('error', () => resolve(false))
  })
}
