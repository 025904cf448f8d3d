import { FairleadError } from '../core/errors.ts'
import { systemClock } from './clock.ts'
import { ClusterNode } from './cluster/cluster-node.ts'
import type { Cluster } from './cluster.ts'
import { embeddedCluster } from './embedded.ts'
import type { LocalHub } from './local.ts'
import type { HubLog } from './log.ts'
import { allUsers } from './names.ts'
import type { HubConfig } from './options.ts'
import type { RoomRules } from './room-rules.ts'

/** Between two messages of a node to itself. */
const probeEvery = 2_000

export interface ClusterHalfOptions {
  readonly config: HubConfig
  readonly node: string
  readonly log: HubLog
  readonly local: LocalHub
  readonly rules: RoomRules
  readonly stopping: () => boolean
}

/**
 * The cluster half of a hub as its options want it, not started.
 * @throws FairleadError `CONFIG_INVALID` when a room is to have history and the driver keeps none
 */
export function clusterHalf({ config, node, log, local, rules, stopping }: ClusterHalfOptions): ClusterNode {
  const { address = null, presenceGrace, questionTimeout, maxRecovered } = config
  return new ClusterNode({
    cluster: connect(config, log, rules),
    alone: config.cluster === undefined,
    local,
    clock: systemClock,
    facts: () => ({
      id: node,
      address,
      state: stopping() ? 'draining' : 'active',
      connections: local.count({ kind: 'everybody' }),
    }),
    watched: config.userPresence ? [allUsers] : [],
    failed: (error) => log.error({ event: 'listener.failed', error }, 'a listener failed'),
    hasPresence: (room) => rules.hasPresence(room),
    history: (room) => rules.history(room),
    presenceGrace,
    questionTimeout,
    probeEvery,
    maxRecovered,
  })
}

function connect({ cluster: driver, namespace, lease }: HubConfig, log: HubLog, rules: RoomRules): Cluster {
  if (driver === undefined) return embeddedCluster()
  const { largestHistory } = rules
  const cluster: Partial<Cluster> = driver.connect({ namespace, lease, largestHistory, log })
  const { bus, registry, history = null } = cluster
  if (bus === undefined || registry === undefined) {
    throw invalid(
      `cluster: found ${driver.name}, which carries no messages, expected combine({ bus: ..., registry: ${driver.name}(...) })`,
    )
  }
  if (history === null && largestHistory !== null) {
    throw invalid(
      `rooms: found history, expected none, because the driver ${driver.name} keeps none (combine it with one that does)`,
    )
  }
  return { bus, registry, history }
}

function invalid(what: string): FairleadError {
  return new FairleadError('CONFIG_INVALID', what, { source: 'config', retryable: false })
}
