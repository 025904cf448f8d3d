import { Timer } from '../../core/timer-wheel.ts'
import type { Backend } from '../backend.ts'
import type { HealthConfig } from './health-options.ts'
import { HttpTalk } from './http-talk.ts'
import { type Announced, Probe, type ProbeHost, type ProbeResult, type ProbeTalk } from './probe.ts'
import { tcpTalk } from './tcp-talk.ts'
import { WebSocketTalk } from './websocket-talk.ts'

/** The first probes come within this time, so that much is known soon; spread, since all backends begin at once. */
const firstWithin = 1000

/** Part of the interval by which each wait differs, so that many gateways do not keep in step. */
const jitter = 0.1

/** Is told how a probe ended, and what the backend said about itself, if it did. */
export type Report = (result: ProbeResult, announced: Announced | null) => void

/** Probes one backend, one probe at a time. */
export class Prober {
  readonly #host: ProbeHost
  readonly #backend: Backend
  readonly #config: HealthConfig
  readonly #report: Report
  readonly #random: () => number
  readonly #timer: Timer<Prober>
  #probe: Probe | null = null
  #startedAt = 0
  #stopped = false

  /** @param report is told how each probe ended */
  constructor(host: ProbeHost, backend: Backend, config: HealthConfig, report: Report) {
    this.#host = host
    this.#backend = backend
    this.#config = config
    this.#report = report
    this.#random = host.timers.environment.random
    this.#timer = new Timer<Prober>(this, (prober) => prober.#begin())
  }

  start(): void {
    this.#host.timers.schedule(this.#timer, this.#random() * Math.min(firstWithin, this.#config.interval))
  }

  /** Nothing is reported any more. */
  stop(): void {
    this.#stopped = true
    this.#host.timers.cancel(this.#timer)
    this.#probe?.cancel()
  }

  #begin(): void {
    const { timers } = this.#host
    this.#startedAt = timers.now()
    const [first, ...others] = this.#backend.targets(this.#startedAt)
    if (first === undefined) {
      this.#ended('its name does not resolve to an address', null)
      return
    }
    const { timeout } = this.#config
    const talk = talkOf(this.#config, this.#backend.address)
    this.#probe = new Probe(this.#host, [first, ...others], talk, timeout, (result, announced) =>
      this.#ended(result, announced),
    )
    this.#probe.start()
  }

  #ended(result: ProbeResult, announced: Announced | null): void {
    this.#probe = null
    if (this.#stopped) return
    const { timers } = this.#host
    const wait = this.#config.interval * (1 + jitter * (2 * this.#random() - 1))
    timers.schedule(this.#timer, Math.max(0, this.#startedAt + wait - timers.now()))
    this.#report(result, announced)
  }
}

function talkOf({ http, websocket }: HealthConfig, address: string): ProbeTalk {
  // A path is no authority.
  const authority = address.startsWith('unix:') ? 'localhost' : address
  if (http !== undefined) return new HttpTalk(http, authority)
  return websocket === undefined ? tcpTalk : new WebSocketTalk(websocket, authority)
}
