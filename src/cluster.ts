export { memory } from './drivers/memory/memory-driver.ts'
export type { ClusterEvents, ClusterStats } from './hub/cluster/cluster-events.ts'
export { ClusterNode, type ClusterNodeOptions } from './hub/cluster/cluster-node.ts'
export type {
  Bus,
  BusEvents,
  Cluster,
  ClusterDriver,
  ClusterLog,
  ClusterOptions,
  CombineParts,
  HistoryLimits,
  HistoryMessage,
  HistorySlice,
  HistoryStore,
  LeaseTimes,
  NodeFacts,
  NodeRecord,
  Position,
  Registry,
  RegistryDriver,
  RegistryEvents,
} from './hub/cluster.ts'
export { combine } from './hub/combine.ts'
