import type { Position } from '../cluster.ts'
import { eventually } from './cluster-rig.ts'

/** What a room with history sends in the stage below. */
export interface Stamped extends Position {
  readonly text: string
}

/** A real WebSocket client, the runtime's own, that keeps what it gets. */
export class Device {
  readonly got: (string | Uint8Array)[] = []
  closed: { readonly code: number; readonly reason: string } | null = null
  readonly #socket: WebSocket

  private constructor(socket: WebSocket) {
    this.#socket = socket
    socket.binaryType = 'arraybuffer'
    socket.onmessage = ({ data }) =>
      this.got.push(typeof data === 'string' ? data : new Uint8Array(data as ArrayBuffer))
    socket.onclose = ({ code, reason }) => {
      this.closed = { code, reason }
    }
    socket.onerror = () => {}
  }

  /** One that is in, with what it says of itself in its query. */
  static async open(port: number, query: Readonly<Record<string, string>>): Promise<Device> {
    const socket = new WebSocket(`ws://127.0.0.1:${port}/?${new URLSearchParams(query)}`)
    const device = new Device(socket)
    await eventually(() => socket.readyState === WebSocket.OPEN || device.closed !== null, 'it is in')
    if (device.closed !== null) throw new Error(`closed with ${device.closed.code}`)
    return device
  }

  /** Messages of rooms with history, in the order in which they came. */
  get stamped(): Stamped[] {
    return this.got
      .filter((data) => typeof data === 'string' && data.startsWith('{'))
      .map((data) => JSON.parse(data as string) as Stamped)
  }

  get texts(): string[] {
    return this.got.filter((data) => typeof data === 'string')
  }

  send(data: string): void {
    this.#socket.send(data)
  }

  async close(): Promise<void> {
    this.#socket.close()
    await eventually(() => this.closed !== null, 'it is closed')
  }
}
