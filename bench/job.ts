/** What the bench asks of the load generator, one JSON line each way. */
export type Job =
  | (Window & { readonly kind: 'messages' | 'requests' | 'upgrades' })
  | (Window & { readonly kind: 'paced'; readonly intervalMs: number })
  | { readonly kind: 'open-tunnels'; readonly port: number; readonly count: number }
  | { readonly kind: 'close-tunnels' }

/** Load on one port for a warm-up and then for a measured time. */
export interface Window {
  readonly port: number
  readonly connections: number
  /** Bytes of payload in each message; unused for requests and upgrades. */
  readonly payload: number
  readonly warmMs: number
  readonly measureMs: number
  /** Processes whose CPU time is read at both ends of the measured time. */
  readonly proxyPids: readonly number[]
  readonly backendPid: number
}

/** What happened in the measured time. */
export interface WindowResult {
  /** Round trips, requests or upgrades that were complete. */
  readonly units: number
  readonly seconds: number
  readonly proxyCpuNs: number
  readonly backendCpuNs: number
  readonly loadCpuNs: number
  /** All cores together, whoever used them. Counted in steps of 10 ms. */
  readonly machineCpuNs: number
  /** Latency of one unit in microseconds. */
  readonly p50Us: number
  readonly p99Us: number
}

export type JobAnswer =
  | { readonly ok: true; readonly result: WindowResult | null }
  | { readonly ok: false; readonly error: string }
