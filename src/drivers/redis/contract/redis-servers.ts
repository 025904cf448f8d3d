import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { ContractBroker } from '../../../hub/contract/cluster-rig.ts'
import { freePort, ServerProcess } from '../../../hub/contract/server-process.ts'
import { Ways } from '../../../hub/contract/ways.ts'
import { redis } from '../redis-driver.ts'

/** One real server, with its own folder and port. */
export class RedisServer {
  readonly port: number
  readonly process: ServerProcess
  readonly #folder: string

  private constructor(port: number, folder: string, settings: readonly string[], program = 'redis-server') {
    this.port = port
    this.#folder = folder
    const args = [...settings, '--bind', '127.0.0.1', '--dir', folder]
    this.process = new ServerProcess(program, args, async () => {
      const answer = await this.ask('PING').catch(() => '')
      return answer.startsWith('+PONG')
    })
  }

  static async launch(...settings: string[]): Promise<RedisServer> {
    return RedisServer.#launch('redis-server', settings)
  }

  static async valkey(...settings: string[]): Promise<RedisServer> {
    return RedisServer.#launch('valkey-server', settings)
  }

  static async #launch(program: string, settings: readonly string[]): Promise<RedisServer> {
    const folder = mkdtempSync(join(tmpdir(), 'fairlead-redis-'))
    const port = await freePort()
    const server = new RedisServer(port, folder, ['--port', `${port}`, '--save', '', ...settings], program)
    await server.process.start()
    return server
  }

  /** One that watches over the master on a port, called `main`. */
  static async sentinel(master: number, quorum = 2): Promise<RedisServer> {
    const folder = mkdtempSync(join(tmpdir(), 'fairlead-sentinel-'))
    const port = await freePort()
    const file = join(folder, 'sentinel.conf')
    const lines = [
      `port ${port}`,
      `sentinel monitor main 127.0.0.1 ${master} ${quorum}`,
      'sentinel down-after-milliseconds main 1000',
      'sentinel failover-timeout main 5000',
    ]
    writeFileSync(file, `${lines.join('\n')}\n`)
    const server = new RedisServer(port, folder, [file, '--sentinel'])
    await server.process.start()
    return server
  }

  /** One command; the answer as it comes over the wire. */
  ask(command: string): Promise<string> {
    return new Promise((resolve, reject) => {
      const socket = connect(this.port, '127.0.0.1')
      socket.setTimeout(2_000, () => socket.destroy(new Error('no answer')))
      socket.on('error', reject)
      socket.on('connect', () => socket.write(`${command}\r\n`))
      socket.once('data', (chunk) => {
        socket.destroy()
        resolve(String(chunk))
      })
    })
  }

  async dispose(): Promise<void> {
    await this.process.dispose()
    rmSync(this.#folder, { recursive: true, force: true })
  }
}

export async function until(holds: () => Promise<boolean>, what: string): Promise<void> {
  const deadline = performance.now() + 30_000
  while (!(await holds().catch(() => false))) {
    if (performance.now() > deadline) throw new Error(`not in time: ${what}`)
    await sleep(50)
  }
}

/** One server. */
export async function launchServer(...settings: string[]): Promise<ContractBroker & { server: RedisServer }> {
  return brokerOf(await RedisServer.launch(...settings))
}

export async function launchValkey(...settings: string[]): Promise<ContractBroker> {
  return brokerOf(await RedisServer.valkey(...settings))
}

/** Whether a program is there. */
export function isInstalled(program: string): boolean {
  return (process.env.PATH ?? '').split(delimiter).some((folder) => existsSync(join(folder, program)))
}

async function brokerOf(server: RedisServer): Promise<ContractBroker & { server: RedisServer }> {
  const ways = await Ways.to(server.port)
  return {
    server,
    way: () => ways.way((through) => redis(`redis://127.0.0.1:${through(server.port)}`)),
    stop: () => server.process.kill(),
    start: () => server.process.start(),
    pause: () => server.process.pause(),
    resume: async () => server.process.resume(),
    async dispose() {
      await ways.dispose()
      await server.dispose()
    },
  }
}

/** A master, and a sentinel that tells where it is. */
export async function launchSentinel(): Promise<ContractBroker> {
  const master = await RedisServer.launch()
  const sentinel = await RedisServer.sentinel(master.port, 1)
  const ways = await Ways.to(sentinel.port, master.port)
  return {
    way: () =>
      ways.way((through) =>
        redis({
          sentinels: [{ host: '127.0.0.1', port: sentinel.port }],
          master: 'main',
          mapAddress: ({ host, port }) => ({ host, port: through(port) }),
        }),
      ),
    stop: () => master.process.kill(),
    start: () => master.process.start(),
    pause: () => master.process.pause(),
    resume: async () => master.process.resume(),
    async dispose() {
      await ways.dispose()
      await Promise.all([sentinel.dispose(), master.dispose()])
    },
  }
}

/** A Redis Cluster of three masters. */
export async function launchCluster(): Promise<ContractBroker & { servers: readonly RedisServer[] }> {
  const settings = ['--cluster-enabled', 'yes', '--cluster-node-timeout', '2000', '--appendonly', 'no']
  const servers = await Promise.all([0, 1, 2].map(() => RedisServer.launch(...settings)))
  const ports = servers.map(({ port }) => port)
  for (const [index, server] of servers.entries()) {
    const from = Math.floor((16_384 * index) / 3)
    const to = Math.floor((16_384 * (index + 1)) / 3) - 1
    await server.ask(`CLUSTER ADDSLOTSRANGE ${from} ${to}`)
    await server.ask(`CLUSTER SET-CONFIG-EPOCH ${index + 1}`)
    await server.ask(`CLUSTER MEET 127.0.0.1 ${ports[0]}`)
  }
  const whole = () =>
    until(async () => {
      const states = await Promise.all(servers.map((server) => server.ask('CLUSTER INFO')))
      return states.every((text) => text.includes('cluster_state:ok') && text.includes('known_nodes:3'))
    }, 'the cluster is whole')
  await whole()
  const ways = await Ways.to(...ports)
  return {
    servers,
    way: () =>
      ways.way((through) =>
        redis({
          cluster: ports.map((port) => ({ host: '127.0.0.1', port })),
          mapAddress: ({ host, port }) => ({ host, port: through(port) }),
        }),
      ),
    stop: async () => void (await Promise.all(servers.map((server) => server.process.kill()))),
    async start() {
      await Promise.all(servers.map((server) => server.process.start()))
      await whole()
    },
    async pause() {
      await Promise.all(servers.map((server) => server.process.pause()))
    },
    async resume() {
      for (const server of servers) server.process.resume()
      await whole()
    },
    async dispose() {
      await ways.dispose()
      await Promise.all(servers.map((server) => server.dispose()))
    },
  }
}
