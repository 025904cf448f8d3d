import { type MetricName, metrics } from './metrics.ts'
import type { PeerName } from './peers.ts'
import type { Results } from './results.ts'

/** A promise about speed: a ratio to another peer in the same run, or a figure in the unit of the metric. */
export interface Target {
  readonly peer: PeerName
  readonly metric: MetricName
  readonly atMost: number
  readonly times: PeerName | null
}

export interface Verdict {
  readonly target: Target
  /** What was measured, in the target's own terms; null when one of the two was not. */
  readonly measured: number | null
  readonly met: boolean | null
}

function times(peer: PeerName, metric: MetricName, atMost: number, other: PeerName = 'haproxy'): Target {
  return { peer, metric, atMost, times: other }
}

const targets: readonly Target[] = [
  times('fairlead-bun', 'ws64', 1.15),
  times('fairlead-bun', 'ws64k', 0.75),
  times('fairlead-bun', 'http', 1.8),
  times('fairlead-bun', 'http', 0.2, 'http-proxy-3-default'),
  times('fairlead-bun', 'http', 0.2, 'http-proxy-3'),
  times('fairlead-bun', 'upgrade', 1.6),
  { peer: 'fairlead-bun', metric: 'memory', atMost: 5.5, times: null },
  times('fairlead-node', 'ws64', 1.5),
  times('fairlead-node', 'ws64k', 1),
  times('fairlead-node', 'http', 2),
  times('fairlead-node', 'http', 0.2, 'http-proxy-3-default'),
  times('fairlead-node', 'http', 0.2, 'http-proxy-3'),
  times('fairlead-node', 'upgrade', 2.2),
  { peer: 'fairlead-node', metric: 'memory', atMost: 11, times: null },
]

export function judge(results: Results): Verdict[] {
  return targets.map((target) => {
    const { metric, peer, times: other } = target
    const measured =
      other === null ? (results.spread(metric, peer)?.median ?? null) : results.ratio(metric, peer, other)
    return { target, measured, met: measured === null ? null : measured <= target.atMost }
  })
}

/** One line for a person. */
export function describeVerdict({ target, measured, met }: Verdict): string {
  const unit = target.times === null ? ` ${metrics[target.metric].unit}` : ` x ${target.times}`
  const outcome = met === null ? 'not measured' : met ? 'met' : 'MISSED'
  const value = measured === null ? '' : ` (${measured.toFixed(2)}${unit})`
  return `${target.peer}: ${metrics[target.metric].title} <= ${target.atMost}${unit}: ${outcome}${value}`
}
