import type { Window, WindowResult } from '../job.ts'
import { Connection } from './connection.ts'
import { Fleet } from './fleet.ts'
import { Recorder } from './recorder.ts'

const request = Buffer.from(
  'GET /bench HTTP/1.1\r\nHost: bench.test\r\nUser-Agent: fairlead-bench\r\nAccept: */*\r\n\r\n',
)

/** Each keep-alive connection sends the next request as soon as the last response is whole. */
export function measureRequests(window: Window): Promise<WindowResult> {
  const recorder = new Recorder(window)
  const fleet = new Fleet<RequestConnection>()
  const next = (connection: RequestConnection) => {
    recorder.count(connection.sentAt)
    if (!fleet.ending) connection.ask()
  }
  for (let i = 0; i < window.connections; i++) {
    fleet.dial(new RequestConnection(fleet, next), window.port, Connection.dial)
  }
  return fleet.run(() => {
    for (const connection of fleet.members) connection.ask()
    return recorder.measure()
  })
}

class RequestConnection extends Connection {
  sentAt = 0
  readonly #fleet: Fleet<RequestConnection>
  readonly #whole: (connection: RequestConnection) => void
  #partial: Buffer | null = null

  constructor(fleet: Fleet<RequestConnection>, whole: (connection: RequestConnection) => void) {
    super()
    this.#fleet = fleet
    this.#whole = whole
  }

  ask(): void {
    this.sentAt = performance.now()
    this.send(request)
  }

  protected override opened(): void {
    this.#fleet.ready()
  }

  protected override received(chunk: Buffer): void {
    const bytes = this.#partial === null ? chunk : Buffer.concat([this.#partial, chunk])
    const end = bytes.indexOf('\r\n\r\n')
    const length = end < 0 ? Number.POSITIVE_INFINITY : end + 4 + bodyLength(bytes.toString('latin1', 0, end))
    if (bytes.length > length) throw new Error('a response is longer than its Content-Length')
    this.#partial = bytes.length < length ? bytes : null
    if (this.#partial === null) this.#whole(this)
  }

  protected override closed(error: Error | null): void {
    this.#fleet.lost(this, error)
  }
}

function bodyLength(head: string): number {
  const length = /\r\ncontent-length:[ \t]*(\d+)/i.exec(head)?.[1]
  if (!head.startsWith('HTTP/1.1 200 ') || length === undefined) {
    throw new Error(`a request was answered with ${JSON.stringify(head.slice(0, 200))}`)
  }
  return Number(length)
}
