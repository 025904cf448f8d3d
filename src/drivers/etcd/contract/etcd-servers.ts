import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { freePort, ServerProcess } from '../../../hub/contract/server-process.ts'

/** How a test wants its servers. */
interface EtcdSettings {
  readonly args?: readonly string[]
  /** Files: of the server, and the certificate of everybody whom it lets in. */
  readonly tls?: { readonly cert: string; readonly key: string }
}

/** One real etcd, with its own folder and ports. */
export class EtcdServer {
  readonly port: number
  readonly process: ServerProcess
  readonly #folder: string

  private constructor(
    [port, health]: readonly [number, number],
    folder: string,
    name: string,
    members: ReadonlyMap<string, number>,
    { args: more = [], tls }: EtcdSettings,
  ) {
    this.port = port
    this.#folder = folder
    const own = `${tls === undefined ? 'http' : 'https'}://127.0.0.1:${port}`
    const peer = `http://127.0.0.1:${members.get(name)}`
    const cluster = [...members].map(([member, peerPort]) => `${member}=http://127.0.0.1:${peerPort}`).join()
    const args = [
      ...['--name', name, '--data-dir', folder, '--heartbeat-interval', '50', '--election-timeout', '500'],
      ...['--listen-client-urls', own, '--advertise-client-urls', own],
      ...['--listen-metrics-urls', `http://127.0.0.1:${health}`],
      ...(tls === undefined ? [] : ['--cert-file', tls.cert, '--key-file', tls.key]),
      ...(tls === undefined ? [] : ['--trusted-ca-file', tls.cert, '--client-cert-auth']),
      ...more,
      ...['--listen-peer-urls', peer, '--initial-advertise-peer-urls', peer, '--initial-cluster', cluster],
    ]
    this.process = new ServerProcess('etcd', args, () =>
      // Not before it has a leader.
      fetch(`http://127.0.0.1:${health}/health`, { signal: AbortSignal.timeout(2_000) }).then(
        ({ ok }) => ok,
        () => false,
      ),
    )
  }

  static async launch(settings: EtcdSettings = {}): Promise<EtcdServer> {
    const [server] = await EtcdServer.launchMembers(1, settings)
    return server as EtcdServer
  }

  /** Several that are one cluster. */
  static async launchMembers(count: number, settings: EtcdSettings = {}): Promise<readonly EtcdServer[]> {
    const names = Array.from({ length: count }, (_, index) => `m${index}`)
    const members = new Map(await Promise.all(names.map(async (name) => [name, await freePort()] as const)))
    const servers = await Promise.all(
      names.map(async (name) => {
        const folder = mkdtempSync(join(tmpdir(), 'fairlead-etcd-'))
        const ports = [await freePort(), await freePort()] as const
        return new EtcdServer(ports, folder, name, members, settings)
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
