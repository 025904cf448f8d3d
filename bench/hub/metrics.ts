import type { Metric } from '../metrics.ts'

/** Everything that is reported; less is better, but for `rate`. */
export const hubMetrics = {
  fan1k: { title: 'delivery to 1,000 members', unit: 'µs CPU', digits: 2 },
  fan9k: { title: 'delivery to 9,000 members', unit: 'µs CPU', digits: 2 },
  burst1k: { title: 'the same to 1,000, ten messages in one tick', unit: 'µs CPU', digits: 2 },
  echo: { title: 'echo', unit: 'µs CPU', digits: 1 },
  memory: { title: 'idle connection', unit: 'KiB', digits: 1 },
  p50: { title: 'publish to delivery at 1,000 members, p50', unit: 'µs', digits: 0 },
  p99: { title: 'publish to delivery at 1,000 members, p99', unit: 'µs', digits: 0 },
  cluster: { title: 'delivery across 3 nodes', unit: 'µs CPU', digits: 2 },
  clusterBurst: { title: 'the same, ten messages in one tick', unit: 'µs CPU', digits: 2 },
  clusterRate: { title: 'deliveries across 3 nodes in a second (more is better)', unit: '/s', digits: 0 },
  clusterMemory: { title: 'idle connection in a cluster', unit: 'KiB', digits: 1 },
} as const satisfies Record<string, Metric>

export type HubMetricName = keyof typeof hubMetrics
export const hubMetricNames = Object.keys(hubMetrics) as HubMetricName[]
