import { type HealthState, unproven } from '../../core/health/observe.ts'
import { blameless, type OutlierState } from '../../core/health/outlier.ts'
import type { EjectionConfig, HealthConfig, SlowStartConfig } from './health-options.ts'

/** How the health of one backend is judged. */
export interface HealthRules {
  /** Without it the backend is not probed. */
  readonly health?: HealthConfig | undefined
  readonly ejection: EjectionConfig
  readonly slowStart: SlowStartConfig
}

/**
 * The health of one backend address. Probes, traffic and slow start are separate axes; whether it is reachable
 * at all is asked of all of them. Outlives the pools that name the address. Only the health keeper writes it.
 */
export class BackendHealth {
  /** What probes say. */
  probe: HealthState = unproven
  /** What the last probe minded, or the last that failed of one that is down; null otherwise. */
  problem: string | null = null
  /** What traffic says. */
  outlier: OutlierState = blameless
  /** When the present ejection ends, in milliseconds since 1970; null while there is none. */
  ejectedUntil: number | null = null
  /** Whether nothing but failed connects made up the present row of failures, or the one that ejected it. */
  unreached = false
  /** Tunnels in a row that it cut right after their start. */
  earlyCloses = 0
  /** Since when its share grows, in milliseconds of the gateway's clock; null once it has all of it. */
  slowSince: number | null = null
  rules: HealthRules | null = null

  /** Whether it may get connections while its pool does not panic. */
  get available(): boolean {
    return this.probe.status !== 'down' && this.ejectedUntil === null
  }
}
