import type { Listener, Socket, SocketPort } from '../net/socket.ts'
import { acceptQueueEmpty } from './accept-queue.ts'
import { listenError } from './listen-error.ts'
import type { ListenerConfig } from './options.ts'

/** A listener as it was opened. */
export interface ListenerStatus {
  /** `http://127.0.0.1:8080`, or `unix:/path`. */
  readonly address: string
  /** 0 for Unix sockets. */
  readonly port: number
}

interface OpenListener {
  readonly target: ListenerConfig
  readonly listener: Listener
  readonly status: ListenerStatus
}

/** The open listeners of a gateway. */
export class Listeners {
  readonly #sockets: SocketPort
  readonly #accept: (socket: Socket) => void
  #open: readonly OpenListener[] = []
  #accepted = 0

  /** @param accept takes over each accepted socket */
  constructor(sockets: SocketPort, accept: (socket: Socket) => void) {
    this.#sockets = sockets
    this.#accept = accept
  }

  /** In the order of the configuration. */
  get statuses(): readonly ListenerStatus[] {
    return this.#open.map(({ status }) => status)
  }

  /**
   * Opens all of them; when one cannot be opened, those before it stay open.
   * @throws FairleadError `LISTEN_ADDRESS_IN_USE` or `LISTEN_FAILED`
   */
  async open(targets: readonly ListenerConfig[]): Promise<void> {
    for (const target of targets) {
      const opened = await this.#listen(target)
      this.#open = [...this.#open, opened]
    }
  }

  /**
   * Resolves when what waits in the listen queues has been accepted; closing would reset it.
   * @param nextTurn resolves after a turn of the event loop
   */
  async quiet(nextTurn: () => Promise<void>): Promise<void> {
    if (this.#open.length > 0) await acceptQueueEmpty(() => this.#accepted, nextTurn)
  }

  async close(): Promise<void> {
    const open = this.#open
    this.#open = []
    await Promise.all(open.map(({ listener }) => listener.close()))
  }

  async #listen(target: ListenerConfig): Promise<OpenListener> {
    try {
      const local = 'path' in target
      const listener = await this.#sockets.listen(target, (socket) => this.#take(socket, local))
      return {
        target,
        listener,
        status: { address: addressOf(target, listener.port), port: listener.port },
      }
    } catch (error) {
      throw listenError(target, error)
    }
  }

  #take(socket: Socket, local: boolean): void {
    // A TCP client without an address reset already. Not claimed, its socket is closed; taken for a client of a
    // Unix socket, whatever it says about its origin would be believed.
    if (!local && socket.remoteAddress === '') return
    this.#accepted++
    this.#accept(socket)
  }
}

function addressOf(target: ListenerConfig, port: number): string {
  if ('path' in target) return `unix:${target.path}`
  const host = target.host ?? 'localhost'
  return `http://${host.includes(':') ? `[${host}]` : host}:${port}`
}
