import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { freePort, ServerProcess } from '../../../hub/contract/server-process.ts'

/** One real etcd, with its own folder and ports. */
export class EtcdServer {
  readonly port: number
  readonly process: ServerProcess
  readonly #folder: string

  private constructor(port: number, folder: string, name: string, members: ReadonlyMap<string, number>) {
    this.port = port
    this.#folder = folder
    const own = `http://127.0.0.1:${port}`
    const peer = `http://127.0.0.1:${members.get(name)}`
    const cluster = [...members].map(([member, peerPort]) => `${member}=http://127.0.0.1:${peerPort}`).join()
    const args = [
      ...['--name', name, '--data-dir', folder, '--heartbeat-interval', '50', '--election-timeout', '500'],
      ...['--listen-client-urls', own, '--advertise-client-urls', own],
      ...['--listen-peer-urls', peer, '--initial-advertise-peer-urls', peer, '--initial-cluster', cluster],
    ]
    this.process = new ServerProcess('etcd', args, () =>
      this.ask('maintenance/status', {}).then(
        ({ leader }) => leader !== undefined && leader !== '0',
        () => false,
      ),
    )
  }

  static async launch(): Promise<EtcdServer> {
    const [server] = await EtcdServer.launchMembers(1)
    return server as EtcdServer
  }

  /** Several that are one cluster. */
  static async launchMembers(count: number): Promise<readonly EtcdServer[]> {
    const names = Array.from({ length: count }, (_, index) => `m${index}`)
    const members = new Map(await Promise.all(names.map(async (name) => [name, await freePort()] as const)))
    const servers = await Promise.all(
      names.map(async (name) => {
        const folder = mkdtempSync(join(tmpdir(), 'fairlead-etcd-'))
        return new EtcdServer(await freePort(), folder, name, members)
      }),
    )
    await Promise.all(servers.map((server) => server.process.start()))
    return servers
  }

  async ask(path: string, body: object, token = ''): Promise<Record<string, unknown>> {
    const answer = await fetch(`http://127.0.0.1:${this.port}/v3/${path}`, {
      method: 'POST',
      body: JSON.stringify(body),
      headers: token === '' ? {} : { authorization: token },
      signal: AbortSignal.timeout(2_000),
    })
    if (!answer.ok) throw new Error(`${path}: ${answer.status} ${await answer.text()}`)
    return (await answer.json()) as Record<string, unknown>
  }

  async dispose(): Promise<void> {
    await this.process.dispose()
    rmSync(this.#folder, { recursive: true, force: true })
  }
}
