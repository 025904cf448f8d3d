import type { ClusterDriver } from '../../hub/cluster.ts'
import { MemoryBroker } from './memory-broker.ts'

/** A cluster within this process: hubs that are made with the same one act as one. For tests, and to try things out. */
export function memory(): ClusterDriver {
  return new MemoryBroker().driver
}
