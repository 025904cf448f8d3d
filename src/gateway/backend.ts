import { DecayingPeak } from '../core/balancing/decaying-peak.ts'
import type { Policy } from '../core/balancing/policy.ts'
import { isAddress, resolveAddresses } from '../net/address.ts'
import type { ConnectTarget } from '../net/socket.ts'
import { BackendSeats } from './admission/backend-seats.ts'
import { BackendHealth } from './health/backend-health.ts'
import type { BackendAddress } from './options.ts'

/** How long a resolved name is believed before it is looked up again, in the background. */
const nameLifetime = 30_000

/** How long a name that did not resolve is left alone: it may be about to appear. */
const failureLifetime = 1000

/** Least milliseconds between two lines about a backend that cannot be reached. */
const reportInterval = 1000

/** Whether a backend may serve: a decision of people or of itself, apart from its health. */
export type BackendState = 'active' | 'draining' | 'disabled'

/** A policy that wants to know of changes, and its name for the backend. */
interface Watcher {
  readonly policy: Policy
  readonly index: number
}

/** One backend address and everything that is counted about it. Outlives the pool snapshots that name it. */
export class Backend {
  /** As the operator wrote it. */
  readonly address: string
  /** How long its 101s have lately taken. */
  readonly handshakes = new DecayingPeak()
  /** How long its HTTP answers have lately taken. */
  readonly responses = new DecayingPeak()
  /** HTTP requests and upgrades sent to it. */
  requests = 0
  connectFailures = 0
  /** What the operator says, by config or by call. Changed by `BackendStates` only. */
  ordered: BackendState = 'active'
  /** False once it is in no pool any more. Changed by `Departures` only. */
  present = true
  /** What it says about itself. Changed by `BackendStates` only. */
  announced: 'active' | 'draining' = 'active'
  /** Totals of tunnels that have ended; the live ones carry their own. */
  readonly ended = {
    messagesFromClients: 0,
    messagesFromBackends: 0,
    bytesFromClients: 0,
    bytesFromBackends: 0,
  }

  readonly health = new BackendHealth()
  readonly seats = new BackendSeats()
  #connections = 0
  #active = 0
  #watchers: readonly Watcher[] = []
  readonly #target: BackendAddress
  #targets: readonly ConnectTarget[] = []
  #resolvedAt = Number.NEGATIVE_INFINITY
  #resolving: Promise<void> | null = null
  #reportedAt = Number.NEGATIVE_INFINITY

  constructor(address: string, target: BackendAddress) {
    this.address = address
    this.#target = target
    if (target.kind === 'unix') this.#targets = [{ path: target.path }]
    else if (isAddress(target.host)) this.#targets = [{ ip: target.host, port: target.port }]
    if (this.#targets.length > 0) this.#resolvedAt = Number.POSITIVE_INFINITY
  }

  /** Whether a name has to be looked up before anything can be connected to. */
  get unresolved(): boolean {
    return this.#targets.length === 0
  }

  /** Only active ones get new connections. The operator's word goes before its own. */
  get state(): BackendState {
    return this.ordered === 'active' ? this.announced : this.ordered
  }

  /** Whether it may get connections, as far as its health is not asked. */
  get serves(): boolean {
    return this.present && this.ordered === 'active' && this.announced === 'active'
  }

  /** Live tunnels. */
  get connections(): number {
    return this.#connections
  }

  /** Connects, upgrades and HTTP requests under way. */
  get active(): number {
    return this.#active
  }

  /** What policies compare. Work under way counts from its pick on, or a burst would all go to one backend. */
  get load(): number {
    return this.#connections + this.#active
  }

  /** Something is under way to it; exactly one `release` follows. */
  take(): void {
    this.#active++
    this.#tell()
  }

  release(): void {
    this.#active--
    this.#tell()
  }

  tunnelOpened(): void {
    this.#connections++
    this.#tell()
  }

  tunnelClosed(): void {
    this.#connections--
    this.#tell()
  }

  /** It did not answer as it should: however quickly it fails, it must not look fast. */
  failed(milliseconds: number, now: number): void {
    this.handshakes.observe(milliseconds, now)
    this.responses.observe(milliseconds, now)
  }

  /** Tells a policy that knows it by `index` of every change of its load, until `unwatch`. */
  watch(policy: Policy, index: number): void {
    this.#watchers = [...this.#watchers, { policy, index }]
  }

  unwatch(policy: Policy): void {
    this.#watchers = this.#watchers.filter((watcher) => watcher.policy !== policy)
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
    if (target.kind === 'unix' || this.#resolvedAt === Number.POSITIVE_INFINITY) return
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

  #tell(): void {
    for (const { policy, index } of this.#watchers) policy.loadChanged?.(index)
  }
}
