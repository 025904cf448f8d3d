import type {
  BackendEjected,
  BackendHealthy,
  BackendReturned,
  BackendUnhealthy,
  GatewayEmitter,
} from '../events.ts'
import type { Log } from '../log.ts'
import type { PoolHealth } from './pool-health.ts'

/** Tells what becomes of the health of backends and pools: an event, and a line of the log with the same fields. */
export class HealthNews {
  readonly #log: Log
  readonly #events: GatewayEmitter

  constructor(log: Log, events: GatewayEmitter) {
    this.#log = log
    this.#events = events
  }

  unhealthy(news: BackendUnhealthy): void {
    const { backend, reason } = news
    this.#log.warn({ event: 'backend.unhealthy', ...news }, `backend ${backend} is unhealthy: ${reason}`)
    this.#events.emit('backend.unhealthy', news)
  }

  healthy(news: BackendHealthy): void {
    const line = { event: 'backend.healthy', ...news }
    // That a backend is well from the start is no news to people.
    if (news.previous === 'unknown') this.#log.debug(line, `backend ${news.backend} is healthy`)
    else this.#log.info(line, `backend ${news.backend} is healthy again`)
    this.#events.emit('backend.healthy', news)
  }

  ejected(news: BackendEjected): void {
    const { backend, reason, failures, forMs } = news
    this.#log.warn(
      { event: 'backend.ejected', ...news },
      `backend ${backend} is ejected for ${forMs} ms after ${failures} failures in a row: ${reason}`,
    )
    this.#events.emit('backend.ejected', news)
  }

  returned(news: BackendReturned): void {
    const { backend, reason } = news
    const line = { event: 'backend.returned', ...news }
    this.#log.info(line, `backend ${backend} returned from its ejection: ${reason}`)
    this.#events.emit('backend.returned', news)
  }

  /** The panic of a pool began or ended. */
  mood({ name: pool, available, total, panic }: PoolHealth): void {
    const event = panic ? 'pool.panic' : 'pool.calm'
    const reason = `${panic ? 'only ' : ''}${available} of ${total} active backends are available`
    const news = { pool, available, total, reason }
    if (panic) this.#log.warn({ event, ...news }, `pool ${pool} ignores health: ${reason}`)
    else this.#log.info({ event, ...news }, `pool ${pool} minds health again: ${reason}`)
    this.#events.emit(event, news)
  }
}
