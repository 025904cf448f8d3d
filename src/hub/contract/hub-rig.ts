import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { createHub } from '../create-hub.ts'
import type { Hub } from '../hub.ts'
import type { HubLog } from '../log.ts'
import type { HubOptions } from '../options.ts'
import { RawClient } from './raw-client.ts'

/** A hub behind a real server of whichever runtime this is. */
export class HubRig<UserData = undefined> {
  readonly hub: Hub<UserData>
  readonly lines: { readonly level: string; readonly fields: object; readonly message: string }[]
  readonly clients: RawClient[] = []
  readonly port: number
  readonly #stop: () => Promise<void>

  private constructor(hub: Hub<UserData>, lines: HubRig['lines'], port: number, stop: () => Promise<void>) {
    this.hub = hub
    this.lines = lines
    this.port = port
    this.#stop = stop
  }

  static async start<UserData = undefined>(options: HubOptions<UserData> = {}): Promise<HubRig<UserData>> {
    const lines: HubRig['lines'] = []
    const write = (level: string) => (fields: object, message: string) =>
      void lines.push({ level, fields, message })
    const log: HubLog = { info: write('info'), warn: write('warn'), error: write('error') }
    const hub = createHub<UserData>({ closeTimeout: '1s', log, ...options })
    const { port, stop } = await serve(hub)
    return new HubRig(hub, lines, port, stop)
  }

  /** A client that is in. */
  async open(options: Partial<Parameters<typeof RawClient.open>[0]> = {}): Promise<RawClient> {
    const client = await RawClient.open({ port: this.port, ...options })
    this.clients.push(client)
    return client
  }

  /** A client that has been answered. */
  async connect(options: Partial<Parameters<typeof RawClient.open>[0]> = {}): Promise<RawClient> {
    const client = await RawClient.connect({ port: this.port, ...options })
    this.clients.push(client)
    return client
  }

  async close(): Promise<void> {
    for (const client of this.clients) client.destroy()
    await this.hub.close()
    await this.#stop()
  }
}

interface Served {
  readonly port: number
  readonly stop: () => Promise<void>
}

async function serve(hub: Pick<Hub, 'attach' | 'fetch' | 'websocket'>): Promise<Served> {
  if ('Bun' in globalThis) {
    const server = Bun.serve({
      port: 0,
      hostname: '127.0.0.1',
      fetch: hub.fetch as never,
      websocket: hub.websocket as never,
    })
    return { port: server.port as number, stop: () => server.stop(true) }
  }
  const server = createServer((_, response) => response.end('plain'))
  hub.attach(server)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const stop = async () => {
    server.close()
    server.closeAllConnections()
  }
  return { port: (server.address() as AddressInfo).port, stop }
}
