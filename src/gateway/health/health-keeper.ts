import { observe, unproven } from '../../core/health/observe.ts'
import { eject, failed, isOutlier, succeeded } from '../../core/health/outlier.ts'
import { Timer } from '../../core/timer-wheel.ts'
import type { SocketPort } from '../../net/socket.ts'
import type { Backend } from '../backend.ts'
import type { Failure } from '../failure.ts'
import { LiveSet } from '../live-set.ts'
import type { Log } from '../log.ts'
import type { Timers } from '../timers.ts'
import type { Tunnel, TunnelOutcome } from '../tunnel.ts'
import type { HealthRules } from './backend-health.ts'
import type { PoolHealth } from './pool-health.ts'
import type { Probe, ProbeResult } from './probe.ts'
import { Prober } from './prober.ts'
import { TunnelCloser } from './tunnel-closer.ts'

/** What the keeper needs of its gateway. */
interface KeeperHost {
  readonly timers: Timers
  readonly sockets: SocketPort
  readonly log: Log
  /** Live tunnels. */
  readonly tunnels: ReadonlySet<Tunnel>
  /** Milliseconds a tunnel gets for its closing handshake. */
  readonly closeGrace: () => number
}

/** One backend in the keeper's care. */
interface Ward {
  readonly backend: Backend
  rules: HealthRules
  readonly pools: PoolHealth[]
  prober: Prober | null
  readonly returns: Timer<Backend>
  /** When it has its whole share. */
  readonly grown: Timer<Backend>
  closer: TunnelCloser | null
}

/** Of a backend that was just taken in. */
const unruled: HealthRules = {
  ejection: { failures: 0, time: 0, maxTime: 0, maxShare: 0, earlyClose: 0 },
  slowStart: { window: 0, from: 100 },
}

/** What a request may fail of that its backend is to blame for; the dial tells itself whom it could not reach. */
const blamedCodes: ReadonlySet<Failure['code']> = new Set([
  'BACKEND_RESPONSE_TIMEOUT',
  'BACKEND_BODY_TIMEOUT',
  'BACKEND_RESPONSE_INVALID',
  'BACKEND_CLOSED',
  'BACKEND_UPGRADE_INVALID',
])

/**
 * Judges the health of every backend by probes and by traffic, and acts on it: ejects and takes back, tells the
 * pools, writes the log. The judgement itself is in `core/health`.
 */
export class HealthKeeper {
  readonly #host: KeeperHost
  readonly #probes = new LiveSet<Probe>()
  readonly #wards = new Map<Backend, Ward>()
  #started = false

  constructor(host: KeeperHost) {
    this.#host = host
  }

  /**
   * Takes the backends of a pool into care. Pools that share a backend have the same rules for it (the schema
   * sees to that); the latest count. Who is new to a gateway that runs already joins with a slow start.
   */
  adopt(pool: PoolHealth, backends: readonly Backend[], rules: HealthRules): void {
    for (const backend of backends) {
      const ward = this.#wards.get(backend) ?? this.#take(backend)
      ward.pools.push(pool)
      this.#setRules(ward, rules)
    }
    this.#recount(pool)
  }

  /**
   * A pool is gone. A backend that is in no pool any more is not probed any more, and is `unknown` to probes; what
   * its traffic has shown stays with it. Call it after the pool's successor was adopted, so that backends of both stay in care.
   */
  release(pool: PoolHealth): void {
    for (const ward of this.#wards.values()) {
      const at = ward.pools.indexOf(pool)
      if (at !== -1) ward.pools.splice(at, 1)
      if (at === -1 || ward.pools.length > 0) continue
      this.#leave(ward)
      this.#wards.delete(ward.backend)
      // Nobody asks it any more: what its probes said must not outlive them.
      this.#forgetProbes(ward)
    }
  }

  /** Begins to probe. */
  start(): void {
    this.#started = true
    for (const { prober } of this.#wards.values()) prober?.start()
  }

  /** Ends every probe and forgets every deadline; resolves when no socket is left. */
  async stop(): Promise<void> {
    this.#started = false
    for (const ward of this.#wards.values()) this.#leave(ward)
    await this.#probes.whenEmpty()
  }

  /** It serves again after people or itself had taken it out of service. */
  returned(backend: Backend): void {
    const ward = this.#wards.get(backend)
    if (this.#started && ward !== undefined) this.#startSlowly(ward)
  }

  /** It answered a request, or upgraded one, as a backend that is well does. */
  answered(backend: Backend): void {
    const { health } = backend
    health.outlier = succeeded(health.outlier)
  }

  /** A request failed; whether the backend is to blame depends on the code. */
  requestFailed(backend: Backend, { code, message }: Failure): void {
    if (blamedCodes.has(code)) this.failed(backend, message)
  }

  /** It failed. So many in a row eject it. */
  failed(backend: Backend, reason: string): void {
    const ward = this.#wards.get(backend)
    // Whoever is out already cannot be put out; with a panic it gets traffic all the same.
    if (ward === undefined || !backend.health.available) return
    const { health } = backend
    health.outlier = failed(health.outlier, ward.rules.ejection)
    if (isOutlier(health.outlier, ward.rules.ejection)) this.#eject(ward, reason)
  }

  /** A valid 101. While tunnels were cut early, it has to be seen that this one lives longer. */
  tunnelOpened(tunnel: Tunnel): void {
    const { backend } = tunnel
    this.answered(backend)
    if (backend.health.earlyCloses === 0) return
    const rules = this.#wards.get(backend)?.rules
    if (rules === undefined) return
    // A tunnel that is gone before is not kept for this.
    const outlived = new Timer(new WeakRef(tunnel), (ref) => {
      const it = ref.deref()
      if (it !== undefined && this.#host.tunnels.has(it) && !it.left) it.backend.health.earlyCloses = 0
    })
    this.#host.timers.schedule(outlived, rules.ejection.earlyClose)
  }

  /**
   * Only a backend that cuts a tunnel right after its start, without a Close and before its client has said
   * anything, has failed: many libraries cut off who says something they mind. Every Close frame is an orderly end, whatever its code: what it means is between
   * client and backend (envoy#24690 is what comes of counting more).
   */
  tunnelEnded(tunnel: Tunnel, end: TunnelOutcome): void {
    const ward = this.#wards.get(tunnel.backend)
    if (ward === undefined) return
    const { health } = tunnel.backend
    const { earlyClose, failures } = ward.rules.ejection
    if (end.closed || end.age >= earlyClose) {
      health.earlyCloses = 0
    } else if (end.by === 'backend' && tunnel.fromClient.bytes === 0 && health.available) {
      health.earlyCloses = Math.min(health.earlyCloses + 1, failures)
      const enough = failures > 0 && health.earlyCloses === failures
      if (enough) this.#eject(ward, 'it cut the connection right after the upgrade, without a Close frame')
    }
  }

  #take(backend: Backend): Ward {
    const { timers } = this.#host
    const { health } = backend
    const returns = new Timer<Backend>(backend, () => this.#return(ward))
    const grown = new Timer<Backend>(backend, ({ health }) => {
      health.slowSince = null
    })
    const ward: Ward = { backend, rules: unruled, pools: [], prober: null, returns, grown, closer: null }
    this.#wards.set(backend, ward)
    if (health.ejectedUntil !== null) timers.schedule(returns, health.outlier.until - timers.now())
    if (this.#started) this.#startSlowly(ward)
    return ward
  }

  /** Begins to probe anew when that is to be done otherwise than before. */
  #setRules(ward: Ward, rules: HealthRules): void {
    const before = ward.rules.health
    ward.rules = rules
    ward.backend.health.rules = rules
    this.#setEndOfGrowth(ward)
    const { health } = rules
    if (JSON.stringify(before) === JSON.stringify(health)) return
    ward.prober?.stop()
    const report = (result: ProbeResult): void => this.#probed(ward, result)
    const { timers, sockets } = this.#host
    ward.prober =
      health === undefined
        ? null
        : new Prober({ timers, sockets, probes: this.#probes }, ward.backend, health, report)
    if (this.#started) ward.prober?.start()
    if (health === undefined) this.#forgetProbes(ward)
  }

  /** Nobody would ever take it back. */
  #forgetProbes({ backend, closer }: Ward): void {
    backend.health.probe = unproven
    backend.health.problem = null
    closer?.stop()
  }

  #leave(ward: Ward): void {
    ward.prober?.stop()
    ward.closer?.stop()
    this.#host.timers.cancel(ward.returns)
    this.#host.timers.cancel(ward.grown)
  }

  #probed(ward: Ward, result: ProbeResult): void {
    const { backend, rules, pools } = ward
    if (result === undefined || rules.health === undefined) return
    const { health } = backend
    const before = health.probe.status
    const wasAvailable = health.available
    health.probe = observe(health.probe, result === null, rules.health)
    if (result !== null) health.problem = result
    // Also after a single failure that changed nothing; one that is down minds the same until it is healthy again.
    else if (health.probe.status === 'up') health.problem = null
    if (health.probe.status === before) return
    if (health.probe.status === 'down') this.#died(ward, rules.health.fall)
    else this.#recovered(ward, before === 'unknown')
    if (!wasAvailable && health.available) this.#startSlowly(ward)
    for (const pool of pools) this.#recount(pool)
  }

  #died(ward: Ward, failures: number): void {
    const { backend, rules } = ward
    const { log, timers, tunnels, closeGrace } = this.#host
    const reason = backend.health.problem
    log.warn(
      { event: 'backend.unhealthy', backend: backend.address, reason, failures },
      `backend ${backend.address} is unhealthy: ${reason}`,
    )
    const over = rules.health?.closeTunnels
    if (over === undefined) return
    const its = [...tunnels].filter((tunnel) => tunnel.backend === backend)
    ward.closer = new TunnelCloser(timers, its, tunnels, over, closeGrace())
  }

  #recovered(ward: Ward, isFirst: boolean): void {
    const { backend } = ward
    backend.health.outlier = succeeded(backend.health.outlier)
    backend.health.earlyCloses = 0
    ward.closer?.stop()
    ward.closer = null
    const line = { event: 'backend.healthy', backend: backend.address, reason: 'its probes pass' }
    // That a backend is well from the start is no news.
    if (isFirst) this.#host.log.debug(line, `backend ${backend.address} is healthy`)
    else this.#host.log.info(line, `backend ${backend.address} is healthy again`)
  }

  #eject(ward: Ward, reason: string): void {
    const { backend, rules, pools, returns } = ward
    if (pools.some((pool) => !pool.maySpareOne)) return
    const { timers, log } = this.#host
    const { health } = backend
    const now = timers.now()
    health.outlier = eject(health.outlier, now, rules.ejection)
    health.earlyCloses = 0
    const forMs = Math.round(health.outlier.until - now)
    health.ejectedUntil = Date.now() + forMs
    timers.schedule(returns, forMs)
    const { failures } = rules.ejection
    const { ejections } = health.outlier
    log.warn(
      { event: 'backend.ejected', backend: backend.address, reason, failures, forMs, ejections },
      `backend ${backend.address} is ejected for ${forMs} ms after ${failures} failures in a row: ${reason}`,
    )
    for (const pool of pools) this.#recount(pool)
  }

  #return(ward: Ward): void {
    const { backend, pools } = ward
    backend.health.ejectedUntil = null
    const line = { event: 'backend.returned', backend: backend.address, reason: 'its ejection is over' }
    this.#host.log.info(line, `backend ${backend.address} returned from its ejection`)
    if (backend.health.available) this.#startSlowly(ward)
    for (const pool of pools) this.#recount(pool)
  }

  #startSlowly(ward: Ward): void {
    ward.backend.health.slowSince = this.#host.timers.now()
    this.#setEndOfGrowth(ward)
  }

  /** The window may change while it is open. */
  #setEndOfGrowth({ backend, rules, grown }: Ward): void {
    const { timers } = this.#host
    const { slowSince } = backend.health
    if (slowSince !== null)
      timers.schedule(grown, Math.max(0, slowSince + rules.slowStart.window - timers.now()))
  }

  #recount(pool: PoolHealth): void {
    if (!pool.recount()) return
    const { name, available, total, panic } = pool
    const line = { event: panic ? 'pool.panic' : 'pool.calm', pool: name, available, total }
    if (panic) {
      const reason = `only ${available} of ${total} backends are available`
      this.#host.log.warn({ ...line, reason }, `pool ${name} ignores health: ${reason}`)
    } else {
      const reason = `${available} of ${total} backends are available`
      this.#host.log.info({ ...line, reason }, `pool ${name} minds health again: ${reason}`)
    }
  }
}
