import { consistentHash } from '../../src/core/balancing/consistent-hash.ts'
import type { Loads } from '../../src/core/balancing/contract/loads.ts'
import { DecayingPeak } from '../../src/core/balancing/decaying-peak.ts'
import { leastConnections } from '../../src/core/balancing/least-connections.ts'
import { peakEwma } from '../../src/core/balancing/peak-ewma.ts'
import type { Policy, Random } from '../../src/core/balancing/policy.ts'
import { powerOfTwo } from '../../src/core/balancing/power-of-two.ts'
import { random } from '../../src/core/balancing/random.ts'
import { roundRobin } from '../../src/core/balancing/round-robin.ts'

/** What a policy is made from, as a gateway makes it. */
export interface Parts {
  readonly weights: readonly number[]
  readonly loads: Loads
  readonly source: Random
}

type Make = (parts: Parts) => Policy

const hash =
  (bound: number): Make =>
  ({ weights, loads }) =>
    consistentHash({
      names: weights.map((_, index) => `10.0.${index >> 8}.${index & 255}:3000`),
      weights,
      loadOf: loads.of,
      bound,
    })

/** The real policies, by the names people read. */
export const contenders = {
  'round robin': ({ weights, source }) => roundRobin(weights, source()),
  'least connections': ({ weights, loads, source }) => leastConnections(weights, loads.of, source()),
  'power of two': ({ weights, loads, source }) => powerOfTwo(weights, loads.of, source),
  random: ({ weights, source }) => random(weights, source),
  'peak EWMA': ({ weights, loads, source }) => {
    const latencies = weights.map(() => new DecayingPeak())
    for (const latency of latencies) latency.observe(1 + 20 * source(), 0)
    let now = 0
    return peakEwma(
      weights,
      loads.of,
      (index) => latencies[index] as DecayingPeak,
      source,
      () => now++,
    )
  },
  'hash, bound 150 %': hash(1.5),
  'hash, no bound': hash(Number.POSITIVE_INFINITY),
} satisfies Record<string, Make>

export type ContenderName = keyof typeof contenders

export const contenderNames = Object.keys(contenders) as ContenderName[]
