/** What traffic says about a backend. */
export interface OutlierState {
  /** Failures in a row. */
  readonly failures: number
  /** Ejections that are not forgiven yet. */
  readonly ejections: number
  /** When the last ejection ends or ended, in milliseconds of the caller's clock. */
  readonly until: number
}

export interface OutlierRule {
  /** Failures in a row that eject; 0 never does. */
  readonly failures: number
  /** Milliseconds of the first ejection; the n-th in a row takes n times as long. */
  readonly time: number
  /** Most milliseconds of one ejection. */
  readonly maxTime: number
}

export const blameless: OutlierState = { failures: 0, ejections: 0, until: Number.NEGATIVE_INFINITY }

/** After something went well: the row of failures is over. Ejections are forgiven by time only. */
export function succeeded(state: OutlierState): OutlierState {
  return state.failures === 0 ? state : { ...state, failures: 0 }
}

/** After something went wrong. Failures beyond what ejects are not counted: nobody asks how many. */
export function failed(state: OutlierState, rule: OutlierRule): OutlierState {
  return state.failures >= rule.failures ? state : { ...state, failures: state.failures + 1 }
}

/** Whether there were enough failures in a row. Whether the pool can spare it is another question. */
export function isOutlier(state: OutlierState, rule: OutlierRule): boolean {
  return rule.failures > 0 && state.failures >= rule.failures
}

/**
 * Ejects it from now on. A backend that keeps on failing stays away for longer each time; for each `time` that
 * it served since its last return, one ejection is forgiven.
 */
export function eject(state: OutlierState, now: number, rule: OutlierRule): OutlierState {
  const served = Math.max(0, now - state.until)
  const remembered = Math.max(0, state.ejections - Math.floor(served / rule.time))
  // No more than the longest ejection takes: otherwise years of trouble would take years to be forgiven.
  const ejections = Math.min(remembered + 1, Math.ceil(rule.maxTime / rule.time))
  return { failures: 0, ejections, until: now + Math.min(ejections * rule.time, rule.maxTime) }
}

/** After its ejection has ended before its time: the time that it serves is counted from now on. */
export function readmit(state: OutlierState, now: number): OutlierState {
  return { ...state, until: Math.min(state.until, now) }
}

/**
 * Whether one more backend may be ejected of a pool.
 * @param ejected how many are already
 * @param total how many there are
 * @param maxShare percent that may be ejected; one always may, or a pool of one or two could not do it at all
 */
export function mayEject(ejected: number, total: number, maxShare: number): boolean {
  return ejected === 0 || (ejected + 1) * 100 <= maxShare * total
}
