import { mkdtemp, rm } from 'node:fs/promises'
import type { RequestListener } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { sourcesOf } from '../../../src/config/sources.ts'
import { formatProblems } from '../../../src/core/options/check-options.ts'
import type { DiscoverySource } from '../../../src/gateway/discovery.ts'
import { Gateway } from '../../../src/gateway/gateway.ts'
import type { GatewayOptions } from '../../../src/gateway/options.ts'
import { parseOptions } from '../../../src/gateway/parse-options.ts'
import { lendingPort } from '../../../src/net/contract/lending-port.ts'
import { socketPort } from '../../../src/net/socket-port.ts'
import { HttpBackend } from './http-backend.ts'
import { LogLines } from './log-lines.ts'
import { RawBackend } from './raw-backend.ts'
import { Wire } from './wire.ts'

/** What a test may say about its gateway; the rest is a pool `main` of the given backends that takes everything. */
export type StageOptions = Partial<GatewayOptions> & {
  readonly backends?: readonly string[]
  /** Whether what the gateway keeps of a borrowed chunk is spoilt at once. @default true */
  readonly lending?: boolean
  /** What `discover: { source }` means. */
  readonly sources?: Readonly<Record<string, () => DiscoverySource>>
}

/** A gateway that runs, with its log. */
export interface Running {
  readonly gateway: Gateway
  readonly port: number
  readonly log: LogLines
}

/** Everything a test opens, and the one place that closes it again. */
export class Stage {
  #closers: (() => unknown)[] = []

  async gateway({
    backends = ['127.0.0.1:1'],
    lending = true,
    sources = {},
    ...options
  }: StageOptions = {}): Promise<Running> {
    const log = new LogLines()
    const parsed = parseOptions({
      listen: [{ port: 0, host: '127.0.0.1' }],
      pools: { main: { backends: [...backends] } },
      routes: [{ pool: 'main' }],
      ...options,
    })
    if ('problems' in parsed) throw new Error(formatProblems(parsed.problems))
    const gateway = new Gateway(parsed.config, {
      sockets: lending ? lendingPort(socketPort) : socketPort,
      log,
      openSource: sourcesOf(sources),
    })
    this.#closers.push(() => gateway.close())
    await gateway.start()
    return { gateway, port: gateway.listeners[0]?.port ?? 0, log }
  }

  async raw(
    onConnection?: (wire: Wire, index: number) => unknown,
    target?: string,
    port?: number,
  ): Promise<RawBackend> {
    const backend = await new RawBackend(onConnection).listen(target, port)
    this.#closers.push(() => backend.close())
    return backend
  }

  async http(listener: RequestListener): Promise<HttpBackend> {
    const backend = await new HttpBackend(listener).listen()
    this.#closers.push(() => backend.close())
    return backend
  }

  async client(target: number | string): Promise<Wire> {
    const wire = await Wire.to(target)
    this.#closers.push(() => wire.close())
    return wire
  }

  /** An empty folder for Unix sockets. */
  async folder(): Promise<string> {
    const folder = await mkdtemp(join(tmpdir(), 'fairlead-'))
    this.#closers.push(() => rm(folder, { recursive: true, force: true }))
    return folder
  }

  /** Registers something else to close. */
  add(close: () => unknown): void {
    this.#closers.push(close)
  }

  /** Closes everything, the last opened first. */
  async close(): Promise<void> {
    for (const close of this.#closers.splice(0).reverse()) await close()
  }
}
