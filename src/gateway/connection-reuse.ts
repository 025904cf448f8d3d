import type { ResponseHead } from '../http1/response-head.ts'
import type { Backend } from './backend.ts'
import type { BackendConnection, BackendUser } from './backend-connection.ts'

/** A backend that announces when it closes idle connections is given this much less, so as not to race it. */
const hintMargin = 1000

interface ReuseConfig {
  readonly limits: { readonly idleBackendConnections: number }
  readonly timeouts: { readonly backendIdle: number }
}

/** Keeps idle HTTP connections to backends for the next request, the last used first. */
export class ConnectionReuse implements BackendUser {
  readonly #idle = new Map<Backend, BackendConnection[]>()
  #closed = false

  take(backend: Backend, user: BackendUser): BackendConnection | null {
    const connection = this.#idle.get(backend)?.pop()
    if (connection === undefined) return null
    connection.clearTimeout()
    connection.user = user
    return connection
  }

  /**
   * Takes a connection whose last exchange ended exactly where its framing said.
   * @param config says how many are kept for each backend, and for how long
   */
  keep(connection: BackendConnection, { limits, timeouts }: ReuseConfig): void {
    const idle = this.#idle.get(connection.backend) ?? []
    const hint = connection.keepAliveHint
    const timeout = hint === 0 ? timeouts.backendIdle : Math.min(timeouts.backendIdle, hint - hintMargin)
    const full = idle.length >= limits.idleBackendConnections
    if (this.#closed || !connection.backend.serves || full || timeout <= 0) {
      // Reset, because an orderly end by us would occupy a local port for a minute, after each request.
      connection.abort()
      return
    }
    connection.user = this
    connection.reused = true
    connection.setTimeout(timeout)
    idle.push(connection)
    this.#idle.set(connection.backend, idle)
  }

  /** Ends one, for its descriptor; false when there is none. */
  shed(): boolean {
    for (const idle of this.#idle.values()) {
      const connection = idle.shift()
      if (connection === undefined) continue
      connection.abort()
      return true
    }
    return false
  }

  /** Ends those to one backend that gets no new requests. */
  closeOf(backend: Backend): void {
    const idle = this.#idle.get(backend)
    this.#idle.delete(backend)
    for (const connection of idle ?? []) connection.finish()
  }

  /** Ends all, and keeps none from now on. */
  closeAll(): void {
    this.#closed = true
    for (const idle of this.#idle.values()) for (const connection of idle) connection.abort()
    this.#idle.clear()
  }

  backendData(connection: BackendConnection): void {
    // Bytes nobody asked for: an answer to a request we did not send. It must never reach the next client.
    this.#forget(connection)
    connection.abort()
  }

  backendDrained(): void {}

  backendEnded(connection: BackendConnection): void {
    this.#retire(connection)
  }

  backendClosed(connection: BackendConnection): void {
    this.#forget(connection)
  }

  backendTimedOut(connection: BackendConnection): void {
    this.#retire(connection)
  }

  #retire(connection: BackendConnection): void {
    this.#forget(connection)
    connection.finish()
  }

  #forget(connection: BackendConnection): void {
    const idle = this.#idle.get(connection.backend)
    const index = idle?.indexOf(connection) ?? -1
    if (index !== -1) idle?.splice(index, 1)
    if (idle?.length === 0) this.#idle.delete(connection.backend)
  }
}

/** The `timeout` of a `Keep-Alive` field in milliseconds, or 0. Node's own server, for one, closes after 5 s. */
export function keepAliveHint(head: ResponseHead): number {
  const field = head.fields.get('keep-alive')
  if (field === undefined) return 0
  const match = /(?:^|[\t ,])timeout=(\d{1,6})/i.exec(field)
  return match === null ? 0 : Math.max(1, Number(match[1]) * 1000)
}
