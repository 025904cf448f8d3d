import { FairleadError } from '../core/errors.ts'

/** The broker is away: it has not happened and will not happen later. */
export function unavailable(what: string, cause?: unknown): FairleadError {
  return new FairleadError('CLUSTER_UNAVAILABLE', what, { source: 'cluster', retryable: true, cause })
}

/** The connection broke while the broker had it: it may have happened. */
export function uncertain(what: string, cause?: unknown): FairleadError {
  return new FairleadError('CLUSTER_UNCERTAIN', what, { source: 'cluster', retryable: false, cause })
}

/** The broker does not take it. */
export function refused(what: string, cause?: unknown): FairleadError {
  return new FairleadError('CLUSTER_REFUSED', what, { source: 'cluster', retryable: false, cause })
}
