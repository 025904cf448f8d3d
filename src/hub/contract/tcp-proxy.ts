import { type AddressInfo, connect, createServer, type Socket } from 'node:net'

/** A way to one server that can be cut without touching the server or who else uses it. */
export class TcpProxy {
  readonly port: number
  readonly #sockets: Set<Socket>
  readonly #close: () => Promise<void>
  #cut = false

  private constructor(port: number, sockets: Set<Socket>, close: () => Promise<void>) {
    this.port = port
    this.#sockets = sockets
    this.#close = close
  }

  static async to(target: number): Promise<TcpProxy> {
    const sockets = new Set<Socket>()
    let proxy: TcpProxy | null = null
    const server = createServer((client) => {
      if (proxy === null || proxy.#cut) {
        client.destroy()
        return
      }
      const upstream = connect(target, '127.0.0.1')
      for (const [socket, other] of [
        [client, upstream],
        [upstream, client],
      ] as const) {
        sockets.add(socket)
        socket.setNoDelay(true)
        socket.on('error', () => {})
        socket.on('close', () => {
          sockets.delete(socket)
          other.destroy()
        })
        socket.pipe(other)
      }
    })
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    server.unref()
    proxy = new TcpProxy((server.address() as AddressInfo).port, sockets, async () => {
      server.close()
    })
    return proxy
  }

  /** Drops the connections and takes no new ones. */
  cut(): void {
    this.#cut = true
    for (const socket of this.#sockets) socket.destroy()
  }

  heal(): void {
    this.#cut = false
  }

  async close(): Promise<void> {
    this.cut()
    await this.#close()
  }
}
