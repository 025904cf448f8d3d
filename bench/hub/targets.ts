import type { ContenderName } from './contenders.ts'
import { type HubMetricName, hubMetrics } from './metrics.ts'
import type { Figure, HubResults } from './results.ts'

/** A promise about speed or memory: a figure is at most so many times another one of the same run. */
export interface HubTarget {
  readonly figure: Figure
  readonly atMost: number
  readonly times: Figure
}

export interface HubVerdict {
  readonly target: HubTarget
  /** The ratio; null when one of the two was not measured. */
  readonly measured: number | null
  readonly met: boolean | null
}

function against(
  contender: ContenderName,
  metric: HubMetricName,
  atMost: number,
  other: ContenderName,
): HubTarget {
  return { figure: { contender, metric }, atMost, times: { contender: other, metric } }
}

const hubs = ['hub-node', 'hub-bun'] as const

const targets: readonly HubTarget[] = [
  against('hub-node', 'fan1k', 0.8, 'ws-loop'),
  against('hub-node', 'fan9k', 0.8, 'ws-loop'),
  against('hub-bun', 'fan1k', 1.05, 'bun-publish'),
  against('hub-bun', 'fan9k', 1.05, 'bun-publish'),
  ...hubs.map((contender) => ({
    figure: { contender, metric: 'burst1k' as const },
    atMost: 0.3,
    times: { contender, metric: 'fan1k' as const },
  })),
  against('hub-node', 'memory', 1.2, 'ws-loop'),
  against('hub-bun', 'memory', 1.3, 'bun-publish'),
  ...hubs.flatMap((contender) => [
    against(contender, 'cluster', 0.65, 'socket.io'),
    against(contender, 'clusterBurst', 0.35, 'socket.io'),
    against(contender, 'clusterMemory', 0.25, 'socket.io'),
  ]),
]

export function judgeHub(results: HubResults): HubVerdict[] {
  return targets.map((target) => {
    const measured = results.ratio(target.figure, target.times)
    return { target, measured, met: measured === null ? null : measured <= target.atMost }
  })
}

/** One line for a person. */
export function describeHubVerdict({ target, measured, met }: HubVerdict): string {
  const { figure, times, atMost } = target
  const other = times.metric === figure.metric ? times.contender : `its own ${hubMetrics[times.metric].title}`
  const outcome = met === null ? 'not measured' : met ? 'met' : 'MISSED'
  const value = measured === null ? '' : ` (${measured.toFixed(2)} x)`
  return `${figure.contender}: ${hubMetrics[figure.metric].title} <= ${atMost} x ${other}: ${outcome}${value}`
}
