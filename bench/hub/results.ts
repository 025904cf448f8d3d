import { median } from '../statistics.ts'
import type { ContenderName } from './contenders.ts'
import type { HubMetricName } from './metrics.ts'
import type { HubLoad, HubWorkName } from './work.ts'

/** One value of one metric of one contender in one round. */
export interface HubSample {
  readonly metric: HubMetricName
  readonly contender: ContenderName
  readonly round: number
  readonly value: number
}

export interface HubLoadSample extends HubLoad {
  readonly contender: ContenderName
  readonly round: number
}

/** A measurement that did not succeed. */
export interface HubFailure {
  readonly work: HubWorkName
  readonly contender: ContenderName
  readonly round: number
  readonly reason: string
}

/** What is compared: a metric of a contender. */
export interface Figure {
  readonly contender: ContenderName
  readonly metric: HubMetricName
}

/** All that a run found. */
export class HubResults {
  readonly samples: HubSample[] = []
  readonly loads: HubLoadSample[] = []
  readonly failures: HubFailure[] = []

  /** In the order of the rounds. */
  values({ metric, contender }: Figure): number[] {
    return this.samples.filter((s) => s.metric === metric && s.contender === contender).map((s) => s.value)
  }

  /** The ratio of two figures, taken within each round, where both saw the same machine; then the median of these. */
  ratio(figure: Figure, base: Figure): number | null {
    const ratios: number[] = []
    for (const sample of this.samples) {
      if (sample.metric !== figure.metric || sample.contender !== figure.contender) continue
      const other = this.samples.find(
        (s) => s.metric === base.metric && s.contender === base.contender && s.round === sample.round,
      )
      if (other !== undefined && other.value > 0) ratios.push(sample.value / other.value)
    }
    return ratios.length === 0 ? null : median(ratios)
  }
}
