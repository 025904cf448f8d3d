import { type AddressInfo, connect, createServer, type Socket } from 'node:net'

/** A way to one server that can be cut without touching the server or who else uses it. */
export class TcpProxy {
  readonly port: number
  readonly #sockets: Set<Socket>
  readonly #close: () => Promise<void>
  #state: 'open' | 'cut' | 'swallowing' = 'open'

  private constructor(port: number, sockets: Set<Socket>, close: () => Promise<void>) {
    this.port = port
    this.#sockets = sockets
    this.#close = close
  }

  static async to(target: number): Promise<TcpProxy> {
    const sockets = new Set<Socket>()
    let proxy: TcpProxy | null = null
    const server = createServer((client) => {
      if (proxy === null || proxy.#state === 'cut') {
        client.destroy()
        return
      }
      if (proxy.#state === 'swallowing') {
        sockets.add(client)
        client.on('error', () => {})
        client.on('close', () => sockets.delete(client))
        client.resume()
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
          // Who is out of reach does not learn either that the other one has given up.
          if (proxy === null || proxy.#state !== 'swallowing') other.destroy()
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
    this.#state = 'cut'
    for (const socket of this.#sockets) socket.destroy()
  }

  /** Keeps the connections, takes new ones, and passes nothing on: a network that drops every packet. */
  swallow(): void {
    this.#state = 'swallowing'
    for (const socket of this.#sockets) {
      socket.unpipe()
      socket.resume()
    }
  }

  /** Passes on what comes from now on. Connections that have lost bytes are no connections any more: they end. */
  heal(): void {
    if (this.#state === 'swallowing') for (const socket of this.#sockets) socket.destroy()
    this.#state = 'open'
  }

  async close(): Promise<void> {
    this.cut()
    await this.#close()
  }
}
