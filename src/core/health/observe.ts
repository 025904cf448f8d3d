/** What active probes say about a backend. Nobody was probed yet: `unknown`, which serves like `up`. */
export type HealthStatus = 'unknown' | 'up' | 'down'

export interface HealthState {
  readonly status: HealthStatus
  /** Probes in a row that contradict the status. */
  readonly streak: number
}

/** How many probes in a row change the verdict. */
export interface HealthRule {
  /** Passed ones that make a backend healthy again. */
  readonly rise: number
  /** Failed ones that make it unhealthy. */
  readonly fall: number
}

export const unproven: HealthState = { status: 'unknown', streak: 0 }

const up: HealthState = { status: 'up', streak: 0 }
const down: HealthState = { status: 'down', streak: 0 }

/**
 * The state after one more probe. A single probe that agrees ends the streak, so that now and then a lost one
 * never adds up. The first that passes settles an unknown backend: there is nothing it could contradict.
 */
export function observe(state: HealthState, passed: boolean, rule: HealthRule): HealthState {
  const { status } = state
  if (passed && status !== 'down') return up
  if (!passed && status === 'down') return down
  const streak = state.streak + 1
  if (streak < (passed ? rule.rise : rule.fall)) return { status, streak }
  return passed ? up : down
}
