import { connect } from 'node:net'
import { join } from 'node:path'
import { Child } from '../child.ts'
import { pinned, tethered } from '../cores.ts'
import { findFreePort } from '../free-port.ts'
import { listProcessTree, readResidentBytes } from '../proc.ts'
import { findProgram, findRuntime, packageFolder } from '../runtimes.ts'
import type { Contender } from './contenders.ts'
import type { Broadcasts, HubAnswer, HubJob, HubResult, Span, Watched } from './job.ts'

const startDeadlineMs = 10_000
const jobDeadlineMs = 90_000
const redisAttempts = 3

/** One or several nodes of one contender. */
export interface Nodes {
  readonly contender: Contender
  readonly ports: readonly number[]
  readonly children: readonly Child[]
}

/** The clients, the broker where there is one, and the servers between. */
export class HubRig {
  readonly redisUrl: string | null
  readonly #redis: Child | null
  readonly #load: Child

  private constructor(load: Child, redis: { readonly url: string; readonly child: Child } | null) {
    this.#load = load
    this.#redis = redis?.child ?? null
    this.redisUrl = redis?.url ?? null
  }

  /** @param folder where the broker may write */
  static async start(folder: string): Promise<HubRig> {
    const bun = findRuntime('bun')
    if (bun === null) throw new Error('the bench needs Bun for its clients; run npm ci')
    const args = [join(packageFolder, 'bench/hub/load-main.ts')]
    const load = new Child(tethered(pinned('generator', { file: bun, args, talks: true })))
    return new HubRig(load, await startRedis(folder))
  }

  /** Starts nodes, in a cluster or each on its own, and waits until they listen. */
  async startNodes(contender: Contender, count: number, clustered: boolean): Promise<Nodes> {
    const redis = contender.redis === 'always' || (clustered && contender.redis === 'cluster')
    const command = contender.command(redis ? this.redisUrl : null)
    const children: Child[] = []
    const ports: number[] = []
    try {
      for (let i = 0; i < count; i++) {
        const child = new Child(tethered(pinned('proxy', command)))
        children.push(child)
        ports.push(JSON.parse(await child.readLine(startDeadlineMs)).port)
      }
    } catch (error) {
      await Promise.all(children.map((child) => child.stop()))
      throw error
    }
    return { contender, ports, children }
  }

  async gather({ ports, contender }: Nodes, members: number): Promise<void> {
    await this.#perform({ kind: 'gather', ports, dialect: contender.dialect, members })
  }

  async disperse(): Promise<void> {
    await this.#perform({ kind: 'disperse' })
  }

  broadcast(nodes: Nodes, span: Span, broadcasts: Broadcasts): Promise<HubResult> {
    return this.#measure({ kind: 'broadcast', ...span, ...broadcasts, ...this.#watch(nodes) })
  }

  paced(nodes: Nodes, span: Span, intervalMs: number): Promise<HubResult> {
    return this.#measure({ kind: 'paced', ...span, intervalMs, ...this.#watch(nodes) })
  }

  echo(nodes: Nodes, span: Span, connections: number): Promise<HubResult> {
    const { dialect } = nodes.contender
    return this.#measure({
      kind: 'echo',
      port: nodes.ports[0]!,
      dialect,
      connections,
      ...span,
      ...this.#watch(nodes),
    })
  }

  async openIdle(nodes: Nodes, connections: number): Promise<void> {
    const { dialect } = nodes.contender
    await this.#perform({ kind: 'idle', port: nodes.ports[0]!, dialect, connections })
  }

  residentBytes(nodes: Nodes): number {
    return readResidentBytes(nodes.children.flatMap((child) => listProcessTree(child.pid)))
  }

  #watch(nodes: Nodes): Watched {
    const tree = (child: Child) => listProcessTree(child.pid)
    return {
      nodePids: nodes.children.flatMap(tree),
      brokerPids: this.#redis === null ? [] : tree(this.#redis),
    }
  }

  async #measure(job: HubJob): Promise<HubResult> {
    const result = await this.#perform(job)
    if (result === null || result.units === 0) throw new Error('nothing was delivered')
    return result
  }

  async #perform(job: HubJob): Promise<HubResult | null> {
    this.#load.writeLine(JSON.stringify(job))
    const answer: HubAnswer = JSON.parse(await this.#load.readLine(jobDeadlineMs))
    if (!answer.ok) throw new Error(answer.error)
    return answer.result
  }
}

/** A Redis server that keeps nothing, on the clients' side of the cores; null where none is installed. */
async function startRedis(folder: string) {
  const file = findProgram('redis-server')
  if (file === null) return null
  for (let attempt = 0; attempt < redisAttempts; attempt++) {
    const port = await findFreePort()
    const settings = { port, bind: '127.0.0.1', save: '', appendonly: 'no', dir: folder }
    const args = Object.entries(settings).flatMap(([name, value]) => [`--${name}`, `${value}`])
    const child = new Child(tethered(pinned('backend', { file, args })))
    if (await listens(port, child)) return { url: `redis://127.0.0.1:${port}`, child }
    await child.stop()
  }
  throw new Error('redis-server did not start')
}

async function listens(port: number, child: Child): Promise<boolean> {
  const deadline = Date.now() + startDeadlineMs
  while (Date.now() < deadline && !child.ended) {
    if (await connects(port)) return !child.ended
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
  return false
}

function connects(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1')
    socket.once('connect', () => {
      socket.destroy()
      resolve(true)
    })
    socket.once('error', () => resolve(false))
  })
}
