/** Everything that is reported; for all of them less is better. */
export const metrics = {
  ws64: { title: '64 B round trip', unit: 'µs CPU', digits: 1 },
  ws16k: { title: '16 KiB round trip', unit: 'µs CPU', digits: 1 },
  ws64k: { title: '64 KiB round trip', unit: 'µs CPU', digits: 1 },
  http: { title: 'HTTP request', unit: 'µs CPU', digits: 1 },
  upgrade: { title: 'upgrade', unit: 'µs CPU', digits: 0 },
  memory: { title: 'idle tunnel', unit: 'KiB', digits: 1 },
  refill: { title: 'idle tunnel, second fill', unit: 'KiB', digits: 1 },
  p50: { title: 'added latency p50', unit: 'µs', digits: 0 },
  p99: { title: 'added latency p99', unit: 'µs', digits: 0 },
} as const satisfies Record<string, Metric>

export interface Metric {
  readonly title: string
  readonly unit: string
  readonly digits: number
}

export type MetricName = keyof typeof metrics
export const metricNames = Object.keys(metrics) as MetricName[]
