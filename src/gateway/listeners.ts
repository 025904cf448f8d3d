import { same } from '../core/share.ts'
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
  readonly counter: { accepted: number }
}

/** Listeners that were opened and do not count yet. Exactly one of the two is to be called. */
export interface Prepared {
  /** They count; those that are not wanted any more are closed. */
  commit(): Promise<void>
  /** They are closed again. */
  discard(): Promise<void>
}

/** The open listeners of a gateway. */
export class Listeners {
  readonly #sockets: SocketPort
  readonly #accept: (socket: Socket) => void
  readonly #nextTurn: () => Promise<void>
  #open: readonly OpenListener[] = []

  /**
   * @param nextTurn resolves after a turn of the event loop
   * @param accept takes over each accepted socket
   */
  constructor(sockets: SocketPort, nextTurn: () => Promise<void>, accept: (socket: Socket) => void) {
    this.#sockets = sockets
    this.#nextTurn = nextTurn
    this.#accept = accept
  }

  /** In the order of the configuration. */
  get statuses(): readonly ListenerStatus[] {
    return this.#open.map(({ status }) => status)
  }

  /**
   * Opens those that are not open yet. Each one that is open and wanted again in the same words, port 0 included,
   * stays as it is; when one cannot be opened, all new ones are closed again.
   * @throws FairleadError `LISTEN_ADDRESS_IN_USE` or `LISTEN_FAILED`
   */
  async prepare(targets: readonly ListenerConfig[]): Promise<Prepared> {
    const unwanted = [...this.#open]
    const wanted: OpenListener[] = []
    const fresh: OpenListener[] = []
    const discard = () => closeAll(fresh)
    try {
      for (const target of targets) {
        const at = unwanted.findIndex((open) => same(open.target, target))
        const [known] = at === -1 ? [] : unwanted.splice(at, 1)
        const open = known ?? (await this.#listen(target, unwanted))
        if (known === undefined) fresh.push(open)
        wanted.push(open)
      }
    } catch (error) {
      await discard()
      throw error
    }
    const commit = async () => {
      this.#open = wanted
      await Promise.all(unwanted.map((open) => this.#emptied(open)))
      await closeAll(unwanted)
    }
    return { commit, discard }
  }

  /** Resolves when what waits in the listen queues has been accepted; closing would reset it. */
  async quiet(): Promise<void> {
    await Promise.all(this.#open.map((open) => this.#emptied(open)))
  }

  async close(): Promise<void> {
    const open = this.#open
    this.#open = []
    await closeAll(open)
  }

  async #listen(target: ListenerConfig, unwanted: readonly OpenListener[]): Promise<OpenListener> {
    try {
      const local = 'path' in target
      const counter = { accepted: 0 }
      const listener = await this.#sockets.listen(target, (socket) => this.#take(counter, socket, local))
      const status = { address: addressOf(target, listener.port), port: listener.port }
      return { target, listener, status, counter }
    } catch (error) {
      const own = 'port' in target ? unwanted.find(({ status }) => status.port === target.port) : undefined
      throw listenError(target, error, process.platform, own?.status.address)
    }
  }

  #emptied({ counter }: OpenListener): Promise<void> {
    return acceptQueueEmpty(() => counter.accepted, this.#nextTurn)
  }

  #take(counter: OpenListener['counter'], socket: Socket, local: boolean): void {
    // A TCP client without an address reset already. Not claimed, its socket is closed; taken for a client of a
    // Unix socket, whatever it says about its origin would be believed.
    if (!local && socket.remoteAddress === '') return
    counter.accepted++
    this.#accept(socket)
  }
}

async function closeAll(open: readonly OpenListener[]): Promise<void> {
  await Promise.all(open.map(({ listener }) => listener.close()))
}

function addressOf(target: ListenerConfig, port: number): string {
  if ('path' in target) return `unix:${target.path}`
  const host = target.host ?? 'localhost'
  return `http://${host.includes(':') ? `[${host}]` : host}:${port}`
}
