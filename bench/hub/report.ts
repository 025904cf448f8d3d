import { table } from '../report.ts'
import { median } from '../statistics.ts'
import type { ContenderName } from './contenders.ts'
import { type HubMetricName, hubMetricNames, hubMetrics } from './metrics.ts'
import type { HubResults } from './results.ts'
import { describeHubVerdict, judgeHub } from './targets.ts'

/** What a reader has to know about where the figures come from. */
export interface HubRunFacts {
  readonly date: string
  readonly machine: string
  readonly versions: Readonly<Partial<Record<ContenderName, string>>>
  readonly missing: Readonly<Partial<Record<ContenderName | 'cluster', string>>>
  readonly rounds: number
  readonly seconds: number
}

/** The whole result as Markdown. */
export function hubReport(facts: HubRunFacts, results: HubResults): string {
  const names = Object.keys(facts.versions) as ContenderName[]
  return [
    `${facts.date}, ${facts.machine}, ${facts.rounds} rounds, ${Math.round(facts.seconds)} s in all.`,
    names.map((name) => `- ${name}: ${facts.versions[name]}`).join('\n'),
    Object.entries(facts.missing)
      .map(([name, reason]) => `- ${name}: skipped, ${reason}`)
      .join('\n'),
    'Median (smallest to largest):',
    figuresTable(names, results),
    'Messages delivered per second, and the share of one core that servers, broker and clients used:',
    loadTable(names, results),
    `Everything else on the machine used ${othersLine(results)} of a core; much above 5 % makes the figures rough.`,
    'Targets:',
    judgeHub(results)
      .map((verdict) => `- ${describeHubVerdict(verdict)}`)
      .join('\n'),
    results.failures
      .map((f) => `- FAILED ${f.contender} ${f.work}, round ${f.round + 1}: ${f.reason}`)
      .join('\n'),
  ]
    .filter((part) => part !== '')
    .join('\n\n')
}

function figuresTable(names: readonly ContenderName[], results: HubResults): string {
  const rows = hubMetricNames
    .filter((metric) => results.samples.some((sample) => sample.metric === metric))
    .map((metric) => [
      `${hubMetrics[metric].title}, ${hubMetrics[metric].unit}`,
      ...names.map((contender) => cell(metric, results.values({ metric, contender }))),
    ])
  return table(['', ...names], rows)
}

function cell(metric: HubMetricName, values: readonly number[]): string {
  if (values.length === 0) return '–'
  const [middle, least, most] = [median(values), Math.min(...values), Math.max(...values)].map((value) =>
    value.toFixed(hubMetrics[metric].digits),
  )
  return `${middle} (${least} to ${most})`
}

function loadTable(names: readonly ContenderName[], results: HubResults): string {
  const rows = hubMetricNames
    .filter((metric) => results.loads.some((load) => load.metric === metric))
    .map((metric) => [hubMetrics[metric].title, ...names.map((name) => loadCell(metric, name, results))])
  return table(['', ...names], rows)
}

function loadCell(metric: HubMetricName, contender: ContenderName, results: HubResults): string {
  const loads = results.loads.filter((load) => load.metric === metric && load.contender === contender)
  if (loads.length === 0) return '–'
  const shares = (['nodes', 'broker', 'generator'] as const).map((who) =>
    Math.round(median(loads.map((load) => load[who])) * 100),
  )
  return `${Math.round(median(loads.map((load) => load.unitsPerSecond)))}/s, ${shares.join(' + ')} %`
}

function othersLine(results: HubResults): string {
  const shares = results.loads.map((load) => load.others)
  return shares.length === 0 ? 'an unknown share' : `${Math.round(median(shares) * 100)} %`
}
