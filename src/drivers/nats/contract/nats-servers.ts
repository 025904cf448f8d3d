import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { ContractBroker } from '../../../hub/contract/cluster-rig.ts'
import { freePort, ServerProcess } from '../../../hub/contract/server-process.ts'
import { Ways } from '../../../hub/contract/ways.ts'
import { nats } from '../nats-driver.ts'
import type { NatsOptions } from '../nats-options.ts'

/** One real server with JetStream, with its own folder and port. */
export class NatsServer {
  readonly port: number
  readonly process: ServerProcess
  readonly #folder: string

  private constructor(port: number, folder: string, settings: string) {
    this.port = port
    this.#folder = folder
    const file = this.#configure(settings)
    // Its INFO is the first thing that a server says; with JetStream once that has recovered what it had.
    const ready = settings.includes('jetstream: disabled') ? /^INFO/ : /"jetstream":true/
    this.process = new ServerProcess('nats-server', ['-c', file], async () =>
      ready.test(await firstLine(port).catch(() => '')),
    )
  }

  static async launch(settings = ''): Promise<NatsServer> {
    const folder = mkdtempSync(join(tmpdir(), 'fairlead-nats-'))
    const server = new NatsServer(await freePort(), folder, settings)
    await server.process.start()
    return server
  }

  /** Three that are one system. */
  static async launchThree(): Promise<readonly NatsServer[]> {
    const routes = await Promise.all([freePort(), freePort(), freePort()])
    const peers = routes.map((port) => `"nats-route://127.0.0.1:${port}"`).join(', ')
    return Promise.all(
      routes.map((port, index) => {
        const cluster = `cluster { name: "c", listen: "127.0.0.1:${port}", routes: [${peers}] }`
        return NatsServer.launch(`server_name: "s${index}"\n${cluster}`)
      }),
    )
  }

  /** Takes other settings, in place of those that it was launched with, without a restart. */
  reload(settings: string): void {
    this.#configure(settings)
    this.process.hangUp()
  }

  #configure(settings: string): string {
    const file = join(this.#folder, 'nats.conf')
    const own = [`listen: "127.0.0.1:${this.port}"`, `jetstream { store_dir: "${this.#folder}" }`]
    writeFileSync(file, [...own, settings, ''].join('\n'))
    return file
  }

  async dispose(): Promise<void> {
    await this.process.dispose()
    rmSync(this.#folder, { recursive: true, force: true })
  }
}

/** One server. */
export async function launchNats(
  options: Omit<NatsOptions, 'servers'> = {},
  settings = '',
): Promise<ContractBroker & { server: NatsServer }> {
  const server = await NatsServer.launch(settings)
  const ways = await Ways.to(server.port)
  return {
    server,
    way: () =>
      ways.way((through) => nats({ ...options, servers: `nats://127.0.0.1:${through(server.port)}` })),
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

function firstLine(port: number): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect(port, '127.0.0.1')
    socket.setTimeout(2_000, () => socket.destroy(new Error('no answer')))
    socket.on('error', reject)
    socket.once('data', (chunk) => {
      socket.destroy()
      resolve(String(chunk))
    })
  })
}
