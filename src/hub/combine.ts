import type { Bus, ClusterDriver, ClusterOptions, CombineParts, HistoryStore } from './cluster.ts'
import { historyEnvelope } from './history-envelope.ts'

/**
 * Takes the parts from different drivers: membership in etcd, messages over NATS.
 *
 * With bus and history of one driver, append and publish are one step. With a history of its own they are two: a
 * message that was appended and not published, because the node died in between, is found by the others at the next
 * message of the room or within a minute, and messages that arrive in another order than they were appended are put right
 * by reading. Nothing is lost by it, it only costs reads.
 */
export function combine({ bus, registry, history = bus }: CombineParts): ClusterDriver {
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
      return {
        bus: carrier,
        registry: members,
        history: store === null || history === bus ? store : publishing(store, carrier),
      }
    },
  }
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
