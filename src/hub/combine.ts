import { FairleadError } from '../core/errors.ts'
import type { Bus, ClusterDriver, ClusterOptions, CombineParts, HistoryStore } from './cluster.ts'
import { historyEnvelope } from './history-envelope.ts'

/**
 * Takes the parts from different drivers: membership in etcd, messages over NATS.
 *
 * With bus and history of one driver, append and publish are one step. With a history of its own they are two: a
 * message that was appended and not published, because the node died in between, is found by the others at the next
 * message of the room or within a minute, and messages that arrive in another order than they were appended are put right
 * by reading. Nothing is lost by it, it only costs reads.
 * @throws FairleadError `CONFIG_INVALID` when a part is no driver
 */
export function combine(parts: CombineParts): ClusterDriver {
  const { bus, registry, history = bus } = parts ?? {}
  check('bus', bus)
  check('registry', registry)
  check('history', history)
  const names = [...new Set([bus.name, registry.name, history.name])]
  return {
    name: names.join('+'),
    connect(options) {
      // Each driver is connected once, so that parts of one share their connections.
      const made = new Map<object, unknown>()
      const of = <T>(driver: { connect(given: ClusterOptions): T }): T => {
        const cluster = made.has(driver) ? (made.get(driver) as T) : driver.connect(options)
        made.set(driver, cluster)
        return cluster
      }
      const { history: store } = of(history)
      const { bus: carrier } = of(bus)
      const { registry: members } = of(registry)
      if (carrier === undefined) throw wrong('bus', `${bus.name}, which carries no messages,`)
      if (store === undefined) throw wrong('history', `${history.name}, which keeps none,`)
      return {
        bus: carrier,
        registry: members,
        history: store === null || history === bus ? store : publishing(store, carrier),
      }
    },
  }
}

function check(part: keyof CombineParts, driver: unknown): void {
  if (typeof driver === 'object' && driver !== null && 'name' in driver && 'connect' in driver) return
  throw wrong(part, driver === undefined ? 'nothing' : `a ${typeof driver}`)
}

function wrong(part: keyof CombineParts, found: string): FairleadError {
  const what = `combine: found ${found} as ${part}, expected a driver, such as redis(...) of fairlead/redis`
  return new FairleadError('CONFIG_INVALID', what, { source: 'config', retryable: false })
}

/** Publishes on another driver's bus what was appended. */
function publishing(store: HistoryStore, bus: Bus): HistoryStore {
  return {
    start: (patience) => store.start(patience),
    async append(channel, payload, limits) {
      const position = await store.append(channel, payload, limits)
      // It is kept, which is what was asked for; who does not hear it now finds it by its offset.
      await bus.publish(channel, historyEnvelope(position, payload)).catch(() => {})
      return position
    },
    read: (channel, since, limit) => store.read(channel, since, limit),
    close: () => store.close(),
  }
}
