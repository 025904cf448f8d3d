import { resolveAddresses } from '../net/address.ts'
import type { ConnectTarget } from '../net/socket.ts'
import type { BackendAddress } from './options.ts'

/** How long a resolved name is believed before it is looked up again, in the background. */
const nameLifetime = 30_000

/** How long a name that did not resolve is left alone: it may be about to appear. */
const failureLifetime = 1000

/** Least milliseconds between two lines about a backend that cannot be reached. */
const reportInterval = 1000

/** Whether a backend may serve: a decision of people or of itself, apart from its health. */
export type BackendState = 'active' | 'draining' | 'disabled'

/** One backend address and everything that is counted about it. Outlives the pool snapshots that name it. */
export class Backend {
  /** As the operator wrote it. */
  readonly address: string
  /** Live tunnels. */
  connections = 0
  /** HTTP requests and upgrades sent to it. */
  requests = 0
  connectFailures = 0
  /** What the operator says, by config or by call. Changed by `BackendStates` only. */
  ordered: BackendState = 'active'
  /** What it says about itself. Changed by `BackendStates` only. */
  announced: 'active' | 'draining' = 'active'
  /** Totals of tunnels that have ended; the live ones carry their own. */
  readonly ended = {
    messagesFromClients: 0,
    messagesFromBackends: 0,
    bytesFromClients: 0,
    bytesFromBackends: 0,
  }

  readonly #target: BackendAddress
  #targets: readonly ConnectTarget[] = []
  #resolvedAt = Number.NEGATIVE_INFINITY
  #resolving: Promise<void> | null = null
  #reportedAt = Number.NEGATIVE_INFINITY

  constructor(address: string, target: BackendAddress) {
    this.address = address
    this.#target = target
    if (target.kind === 'unix') this.#targets = [{ path: target.path }]
  }

  /** Only active ones get new connections. The operator's word goes before its own. */
  get state(): BackendState {
    return this.ordered === 'active' ? this.announced : this.ordered
  }

  /** Whether another line about its trouble may be logged; at most one in `reportInterval`. */
  mayReport(now: number): boolean {
    if (now - this.#reportedAt < reportInterval) return false
    this.#reportedAt = now
    return true
  }

  /**
   * Where to connect, best first; empty while the name does not resolve. Never waits: a stale answer is used
   * while a new one is fetched, and the last good one survives a failing resolver.
   */
  targets(now: number): readonly ConnectTarget[] {
    if (now - this.#resolvedAt > nameLifetime) void this.resolve(now).catch(() => {})
    return this.#targets
  }

  /** Looks the name up; rejects when that fails. */
  async resolve(now: number): Promise<void> {
    const target = this.#target
    if (target.kind === 'unix') return
    this.#resolving ??= resolveAddresses(target.host)
      .then((ips) => {
        this.#targets = ips.map((ip) => ({ ip, port: target.port }))
        this.#resolvedAt = now
      })
      .catch((error: unknown) => {
        this.#resolvedAt = now - nameLifetime + failureLifetime
        throw error
      })
      .finally(() => {
        this.#resolving = null
      })
    await this.#resolving
  }
}
