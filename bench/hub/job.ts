import type { DialectName } from './load/dialect.ts'

/** What the bench asks of the load generator, one JSON line each way. */
export type HubJob =
  | {
      readonly kind: 'gather'
      readonly ports: readonly number[]
      readonly dialect: DialectName
      /** In the room, spread evenly over the ports; one publisher at the first port comes on top. */
      readonly members: number
    }
  | (Span & Watched & Broadcasts & { readonly kind: 'broadcast' })
  | (Span & Watched & { readonly kind: 'paced'; readonly intervalMs: number })
  | { readonly kind: 'disperse' }
  | (Span &
      Watched & {
        readonly kind: 'echo'
        readonly port: number
        readonly dialect: DialectName
        readonly connections: number
      })
  | {
      readonly kind: 'idle'
      readonly port: number
      readonly dialect: DialectName
      readonly connections: number
    }

export interface Broadcasts {
  /** Messages that are published in one turn. */
  readonly burst: number
  /** Bursts under way at once. */
  readonly inFlight: number
}

export interface Span {
  readonly warmMs: number
  readonly measureMs: number
}

/** Processes whose CPU time is read at both ends of the measured time. */
export interface Watched {
  readonly nodePids: readonly number[]
  readonly brokerPids: readonly number[]
}

export interface CpuShares {
  readonly seconds: number
  readonly nodesCpuNs: number
  readonly brokerCpuNs: number
  readonly loadCpuNs: number
  /** All cores together, whoever used them. Counted in steps of 10 ms. */
  readonly machineCpuNs: number
}

/** What happened in the measured time. */
export interface HubResult extends CpuShares {
  /** Messages that clients received. */
  readonly units: number
  /** From publish to delivery, in microseconds; NaN (null in JSON) where only CPU is measured. */
  readonly p50Us: number | null
  readonly p99Us: number | null
}

export type HubAnswer =
  | { readonly ok: true; readonly result: HubResult | null }
  | { readonly ok: false; readonly error: string }
