import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { Batch } from '../batch.ts'
import type { Data } from '../local.ts'
import { Message } from '../message.ts'
import type {
  Admission,
  Handshake,
  TransportConnection,
  TransportOptions,
  TransportOwner,
} from '../transport.ts'
import { BunTransport } from '../transports/bun-transport.ts'
import { WsTransport } from '../transports/ws-transport.ts'

/** A running server with one transport behind it. */
export interface TransportServer {
  readonly port: number
  close(): Promise<void>
}

export type StartTransport = (options: TransportOptions) => Promise<TransportServer>

/** The `ws` package behind `node:http`. */
export const startWs: StartTransport = (options) => serveWs(new WsTransport(options))

/** The same without what Node does not document. */
export const startDocumentedWs: StartTransport = (options) => serveWs(new WsTransport(options, true))

async function serveWs(transport: WsTransport): Promise<TransportServer> {
  const server = createServer((_, response) => response.end('plain'))
  const detach = transport.attach(server, null)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    port: (server.address() as AddressInfo).port,
    async close() {
      detach()
      server.close()
      server.closeAllConnections()
    },
  }
}

/** Bun's own server. */
export const startBun: StartTransport = async (options) => {
  const transport = new BunTransport(options)
  const server = Bun.serve({
    port: 0,
    hostname: '127.0.0.1',
    fetch: (request, bun) => transport.upgrade(request, bun as never),
    websocket: transport.websocket as never,
  })
  return {
    port: server.port as number,
    close: () => server.stop(true),
  }
}

/** An owner that writes down what it is told. */
export class RecordingOwner implements TransportOwner {
  connection: TransportConnection | null = null
  /** `opened`, `message ...`, `pong`, `drained`, `closed ...`, in order. */
  readonly told: string[] = []
  readonly messages: Data[] = []
  /** What it does when it is opened, or gets a message. */
  onOpened: (connection: TransportConnection) => void = () => {}
  onMessage: (data: Data) => void = () => {}
  /** How deep inside methods of the connection the test is; nothing is to be told then. */
  inside = 0
  readonly #wake: (() => void)[] = []

  get isClosed(): boolean {
    return this.told.some((line) => line.startsWith('closed'))
  }

  opened(connection: TransportConnection): void {
    this.connection = connection
    this.#tell('opened')
    this.onOpened(connection)
  }

  message(data: Data): void {
    this.messages.push(data)
    this.#tell(`message ${typeof data === 'string' ? data.slice(0, 20) : `[${data.length}]`}`)
    this.onMessage(data)
  }

  pong(): void {
    this.#tell('pong')
  }

  drained(): void {
    this.#tell('drained')
  }

  closed(code: number, reason: string): void {
    this.#tell(`closed ${code} ${reason}`.trimEnd())
  }

  /** Calls a method of the connection, in which nothing may be told. */
  call<Result>(method: (connection: TransportConnection) => Result): Result {
    this.inside++
    try {
      return method(this.connection as TransportConnection)
    } finally {
      this.inside--
    }
  }

  async until(holds: () => boolean, milliseconds = 8000): Promise<void> {
    const deadline = performance.now() + milliseconds
    while (!holds()) {
      if (performance.now() > deadline)
        throw new Error(`did not happen; told: ${this.told.slice(-20).join(', ')}`)
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, 50)
        this.#wake.push(() => {
          clearTimeout(timer)
          resolve()
        })
      })
    }
  }

  untilTold(start: string): Promise<void> {
    return this.until(() => this.told.some((line) => line.startsWith(start)))
  }

  #tell(line: string): void {
    if (this.inside > 0) this.told.push(`INSIDE A METHOD: ${line}`)
    this.told.push(line)
    for (const wake of this.#wake.splice(0)) wake()
  }
}

/** A transport with owners that record. */
export class TransportRig {
  readonly owners: RecordingOwner[] = []
  readonly requests: Handshake[] = []
  readonly failures: unknown[] = []
  admit: (request: Handshake, owner: RecordingOwner) => Admission | Promise<Admission> = (_, owner) => ({
    accept: true,
    protocol: null,
    owner,
  })
  port = 0
  #server: TransportServer | null = null

  static async start(
    start: StartTransport,
    options: Partial<Omit<TransportOptions, 'admit' | 'failed'>> = {},
  ): Promise<TransportRig> {
    const rig = new TransportRig()
    const admit = (request: Handshake) => {
      const owner = new RecordingOwner()
      rig.owners.push(owner)
      rig.requests.push(request)
      return rig.admit(request, owner)
    }
    const defaults = { maxMessage: 1024 * 1024, compression: false, closeTimeout: 1000 }
    const failed = (error: unknown) => void rig.failures.push(error)
    rig.#server = await start({ ...defaults, ...options, admit, failed })
    rig.port = rig.#server.port
    return rig
  }

  get last(): RecordingOwner {
    return this.owners.at(-1) as RecordingOwner
  }

  async close(): Promise<void> {
    await this.#server?.close()
  }
}

export function batchOf(...messages: readonly Data[]): Batch {
  let batch: Batch | null = null
  for (const data of messages) {
    const message = new Message(data)
    batch = batch === null ? new Batch(null, message) : batch.with(message)
  }
  return batch as Batch
}
