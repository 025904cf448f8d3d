import type { DecayingPeak } from './decaying-peak.ts'
import type { LoadOf, Policy, Random } from './policy.ts'
import { twoChoices } from './two-choices.ts'

/** What one must expect of a backend that works on something and has never answered yet. */
const unknown = 1e9

/** No answer is quicker than this, in milliseconds: below it the load alone decides. */
const quickest = 0.1

/**
 * Of two backends at random the one that will probably answer first: its latency, times what it has to do before
 * for its weight. O(1). After Finagle's and linkerd's Peak EWMA; see `DecayingPeak`.
 *
 * A backend that never answered is tried at once, with one request: as long as that is under way, it gets no
 * other while others answer.
 *
 * @param latencyOf lives with the backend, like its load
 * @param now milliseconds of the clock by which latencies are observed
 */
export function peakEwma(
  weights: readonly number[],
  loadOf: LoadOf,
  latencyOf: (index: number) => DecayingPeak,
  source: Random,
  now: () => number,
): Policy {
  const shares = Float64Array.from(weights)
  const costOf = (index: number): number => {
    const latency = latencyOf(index)
    const load = loadOf(index)
    if (!latency.known) return load === 0 ? 0 : unknown + load
    // Not (load + 1) for the weight: among idle backends the draw has given the weights their due already.
    return Math.max(quickest, latency.at(now())) * (load / (shares[index] as number) + 1)
  }
  return twoChoices(weights, costOf, source)
}
