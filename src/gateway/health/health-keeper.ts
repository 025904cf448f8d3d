import { observe, unproven } from '../../core/health/observe.ts'
import { eject, failed, isOutlier, readmit, succeeded } from '../../core/health/outlier.ts'
import { Timer } from '../../core/timer-wheel.ts'
import type { SocketPort } from '../../net/socket.ts'
import { closeCodes } from '../../protocol/close-codes.ts'
import type { Backend } from '../backend.ts'
import type { GatewayEmitter } from '../events.ts'
import type { Failure } from '../failure.ts'
import { LiveSet } from '../live-set.ts'
import type { Log } from '../log.ts'
import { PacedClose } from '../paced-close.ts'
import type { Timers } from '../timers.ts'
import type { Tunnel, TunnelOutcome } from '../tunnel.ts'
import type { HealthRules } from './backend-health.ts'
import { HealthNews } from './health-news.ts'
import type { HealthConfig } from './health-options.ts'
import type { PoolHealth } from './pool-health.ts'
import type { Announced, Probe, ProbeResult } from './probe.ts'
import { Prober, type Report } from './prober.ts'

/** What the keeper needs of its gateway. */
interface KeeperHost {
  readonly timers: Timers
  readonly sockets: SocketPort
  readonly log: Log
  readonly events: GatewayEmitter
  /** Live tunnels. */
  readonly tunnels: ReadonlySet<Tunnel>
  /** Is told when a backend begins or ends to say in its answers that it drains. */
  announce(backend: Backend, state: Announced): void
  /** Milliseconds a tunnel gets for its closing handshake. */
  readonly closeGrace: () => number
  /** Is told when somebody's health has changed, after the pools have taken note of it. */
  readonly changed?: () => void
}

/** One backend in the keeper's care. */
interface Ward {
  readonly backend: Backend
  rules: HealthRules
  readonly pools: PoolHealth[]
  prober: Prober | null
  readonly returns: Timer<Backend>
  /** While it is ejected because it could not be reached. */
  recheck: Prober | null
  /** When it has its whole share. */
  readonly grown: Timer<Backend>
  /** While its tunnels are closed. */
  closer: PacedClose | null
  /** What it last said about itself. */
  announced: Announced
}

/** Of a backend that was just taken in. */
const unruled: HealthRules = {
  ejection: { failures: 0, time: 0, maxTime: 0, maxShare: 0, earlyClose: 0 },
  slowStart: { window: 0, from: 100 },
}

/** How a backend is asked whether it can be reached again: little more than once in two seconds. */
const reachable: HealthConfig = { tcp: true, interval: 2000, timeout: 2000, rise: 1, fall: 1 }

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
  readonly #news: HealthNews
  readonly #probes = new LiveSet<Probe>()
  readonly #wards = new Map<Backend, Ward>()
  #started = false

  constructor(host: KeeperHost) {
    this.#host = host
    this.#news = new HealthNews(host.log, host.events)
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
    pool.count()
  }

  /**
   * Tells of every panic that began or ended because pools took the place of others. Call it when they have.
   */
  review(): void {
    const pools = new Set([...this.#wards.values()].flatMap((ward) => ward.pools))
    for (const pool of pools) this.#recount(pool)
  }

  /** Somebody decided whether it may serve. */
  stateChanged(backend: Backend): void {
    for (const pool of this.#wards.get(backend)?.pools ?? []) this.#recount(pool)
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
      this.#announced(ward, 'active')
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
    this.#failed(backend, reason, false)
  }

  /** It could not be reached, which is a failure like any other, but one that is easily seen to be over. */
  unreachable(backend: Backend, reason: string): void {
    this.#failed(backend, reason, true)
  }

  #failed(backend: Backend, reason: string, unreached: boolean): void {
    const ward = this.#wards.get(backend)
    // Whoever is out already cannot be put out; with a panic it gets traffic all the same.
    if (ward === undefined || !backend.health.available) return
    const { health } = backend
    health.unreached = unreached && (health.unreached || health.outlier.failures === 0)
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
      if (failures === 0 || health.earlyCloses < failures) return
      health.unreached = false
      this.#eject(ward, 'it cut the connection right after the upgrade, without a Close frame')
    }
  }

  #take(backend: Backend): Ward {
    const { timers } = this.#host
    const { health } = backend
    const returns = new Timer<Backend>(backend, () => this.#return(ward, 'its time is over'))
    const grown = new Timer<Backend>(backend, ({ health }) => {
      health.slowSince = null
    })
    const ward: Ward = {
      backend,
      rules: unruled,
      pools: [],
      prober: null,
      returns,
      recheck: null,
      grown,
      closer: null,
      announced: 'active',
    }
    this.#wards.set(backend, ward)
    if (health.ejectedUntil !== null) this.#await(ward, health.outlier.until - timers.now())
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
    const report: Report = (result, announced) => {
      if (announced !== null) this.#announced(ward, announced)
      this.#probed(ward, result)
    }
    ward.prober = health === undefined ? null : this.#prober(ward, health, report)
    if (this.#started) ward.prober?.start()
    if (health === undefined) {
      this.#forgetProbes(ward)
      this.#announced(ward, 'active')
    }
  }

  /** Nobody would ever take it back. */
  #forgetProbes({ backend, closer }: Ward): void {
    backend.health.probe = unproven
    backend.health.problem = null
    closer?.stop()
  }

  /** Only what is new is told: what the operator has said since then counts until the backend says something else. */
  #announced(ward: Ward, state: Announced): void {
    if (ward.announced === state) return
    ward.announced = state
    this.#host.announce(ward.backend, state)
  }

  #leave(ward: Ward): void {
    ward.prober?.stop()
    ward.recheck?.stop()
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
    if (health.probe.status !== before) {
      if (before === 'up' || health.probe.status === 'down') this.#died(ward, rules.health.fall)
      else this.#recovered(ward, before)
      if (!wasAvailable && health.available) this.#startSlowly(ward)
      this.#changed(pools)
    }
    if (result === null && health.probe.status === 'up') this.#reached(ward, 'its probes pass')
  }

  #died(ward: Ward, failures: number): void {
    const { backend, rules } = ward
    const reason = backend.health.problem as string
    this.#news.unhealthy({ backend: backend.address, reason, failures })
    const over = rules.health?.closeTunnels
    if (over === undefined) return
    // Not those that come later: whoever gets it because the pool panics shall keep it.
    const tunnels = [...this.#host.tunnels].filter((tunnel) => tunnel.backend === backend)
    ward.closer?.stop()
    ward.closer = new PacedClose(
      { timers: this.#host.timers, tunnels },
      {
        code: closeCodes.unhealthy,
        over,
        patience: this.#host.closeGrace(),
        concerns: () => true,
        onStep: (left) => {
          // It holds every tunnel that was there, for as long as the backend is dead.
          if (left === 0) ward.closer = null
          return left === 0
        },
      },
    )
  }

  #recovered(ward: Ward, previous: 'unknown' | 'down'): void {
    const { backend } = ward
    backend.health.outlier = succeeded(backend.health.outlier)
    backend.health.earlyCloses = 0
    ward.closer?.stop()
    ward.closer = null
    this.#news.healthy({ backend: backend.address, reason: 'its probes pass', previous })
  }

  #eject(ward: Ward, reason: string): void {
    const { backend, rules, pools } = ward
    if (pools.some((pool) => !pool.maySpareOne)) return
    const { timers } = this.#host
    const { health } = backend
    const now = timers.now()
    health.outlier = eject(health.outlier, now, rules.ejection)
    health.earlyCloses = 0
    const forMs = Math.round(health.outlier.until - now)
    health.ejectedUntil = timers.environment.date() + forMs
    this.#await(ward, forMs)
    const { failures } = rules.ejection
    const { ejections } = health.outlier
    this.#news.ejected({ backend: backend.address, reason, failures, forMs, ejections })
    this.#changed(pools)
  }

  /** Takes it back after so many milliseconds, or as soon as it can be reached if it only could not be reached. */
  #await(ward: Ward, milliseconds: number): void {
    const { backend, rules, returns } = ward
    this.#host.timers.schedule(returns, milliseconds)
    // Its probes tell as much.
    const probed = rules.health !== undefined
    if (!backend.health.unreached || probed || !this.#started) return
    ward.recheck?.stop()
    ward.recheck = this.#prober(ward, reachable, (result) => {
      if (result === null) this.#reached(ward, 'it accepts connections again')
    })
    ward.recheck.start()
  }

  /** It accepts connections: an ejection for anything else than not doing so goes on. */
  #reached(ward: Ward, reason: string): void {
    const { health } = ward.backend
    if (health.ejectedUntil === null || !health.unreached) return
    health.outlier = readmit(health.outlier, this.#host.timers.now())
    this.#return(ward, reason)
  }

  #prober(ward: Ward, config: HealthConfig, report: Report): Prober {
    const { timers, sockets } = this.#host
    return new Prober({ timers, sockets, probes: this.#probes }, ward.backend, config, report)
  }

  #return(ward: Ward, reason: string): void {
    const { backend, pools, returns } = ward
    ward.recheck?.stop()
    ward.recheck = null
    this.#host.timers.cancel(returns)
    backend.health.ejectedUntil = null
    this.#news.returned({ backend: backend.address, reason })
    if (backend.health.available) this.#startSlowly(ward)
    this.#changed(pools)
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

  #changed(pools: readonly PoolHealth[]): void {
    for (const pool of pools) this.#recount(pool)
    this.#host.changed?.()
  }

  #recount(pool: PoolHealth): void {
    if (pool.recount()) this.#news.mood(pool)
  }
}
