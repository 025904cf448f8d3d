export { memory } from './drivers/memory/memory-driver.ts'
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
