import type { MetricName } from './metrics.ts'
import type { PeerName } from './peers.ts'
import { median } from './statistics.ts'
import type { LoadShares } from './work.ts'
import type { WorkName } from './work-names.ts'

/** One value of one metric of one peer in one round. */
export interface Sample {
  readonly metric: MetricName
  readonly peer: PeerName
  readonly round: number
  readonly value: number
}

/** How busy everyone was in one measurement. */
export interface LoadSample extends LoadShares {
  readonly work: WorkName
  readonly peer: PeerName
  readonly round: number
}

/** A measurement that did not succeed. */
export interface Failure {
  readonly work: WorkName
  readonly peer: PeerName
  readonly round: number
  readonly reason: string
}

export interface Spread {
  readonly median: number
  readonly min: number
  readonly max: number
}

/** All that a run found. */
export class Results {
  readonly samples: Sample[] = []
  readonly loads: LoadSample[] = []
  readonly failures: Failure[] = []

  spread(metric: MetricName, peer: PeerName): Spread | null {
    const values = this.samples.filter((s) => s.metric === metric && s.peer === peer).map((s) => s.value)
    return values.length === 0 ? null : spreadOf(values)
  }

  /**
   * The ratio of two peers, taken within each round, where both saw the same machine; then the median of these. Of an
   * added latency, which is a difference and may come out negative, the ratio of the medians, when both are positive.
   */
  ratio(metric: MetricName, peer: PeerName, base: PeerName): number | null {
    if (metric === 'p50' || metric === 'p99') return this.#ratioOfMedians(metric, peer, base)
    const ratios: number[] = []
    for (const sample of this.samples) {
      if (sample.metric !== metric || sample.peer !== peer) continue
      const other = this.samples.find(
        (s) => s.metric === metric && s.peer === base && s.round === sample.round,
      )
      if (other !== undefined && other.value > 0) ratios.push(sample.value / other.value)
    }
    return ratios.length === 0 ? null : median(ratios)
  }

  #ratioOfMedians(metric: MetricName, peer: PeerName, base: PeerName): number | null {
    const [mine, other] = [this.spread(metric, peer), this.spread(metric, base)]
    if (mine === null || other === null || mine.median <= 0 || other.median <= 0) return null
    return mine.median / other.median
  }

  /** The median of each share over the rounds. */
  load(work: WorkName, peer: PeerName): LoadShares | null {
    const loads = this.loads.filter((l) => l.work === work && l.peer === peer)
    if (loads.length === 0) return null
    return {
      unitsPerSecond: median(loads.map((l) => l.unitsPerSecond)),
      proxy: median(loads.map((l) => l.proxy)),
      backend: median(loads.map((l) => l.backend)),
      generator: median(loads.map((l) => l.generator)),
      others: median(loads.map((l) => l.others)),
    }
  }
}

function spreadOf(values: readonly number[]): Spread {
  return { median: median(values), min: Math.min(...values), max: Math.max(...values) }
}
