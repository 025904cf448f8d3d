import { type MetricName, metricNames, metrics } from './metrics.ts'
import type { PeerName } from './peers.ts'
import type { Results } from './results.ts'
import { median } from './statistics.ts'
import { describeVerdict, judge } from './targets.ts'
import { type WorkName, workNames } from './work-names.ts'

/** What a reader has to know about where the figures come from. */
export interface RunFacts {
  readonly date: string
  readonly machine: string
  readonly versions: Readonly<Partial<Record<PeerName, string>>>
  readonly missing: Readonly<Partial<Record<PeerName, string>>>
  readonly rounds: number
  readonly seconds: number
}

/** The whole result as Markdown. */
export function reportMarkdown(facts: RunFacts, results: Results): string {
  const peers = (Object.keys(facts.versions) as PeerName[]).filter((peer) =>
    results.samples.some((sample) => sample.peer === peer),
  )
  return [
    `${facts.date}, ${facts.machine}, ${facts.rounds} rounds, ${Math.round(facts.seconds)} s in all.`,
    peers.map((peer) => `- ${peer}: ${facts.versions[peer]}`).join('\n'),
    Object.entries(facts.missing)
      .map(([peer, reason]) => `- ${peer}: skipped, ${reason}`)
      .join('\n'),
    'Median (smallest to largest), and the ratio to HAProxy in the same round:',
    figuresTable(peers, results),
    'Units per second, and the share of one core that proxy, backend and load generator used:',
    loadTable(peers, results),
    `Everything else on the machine used ${othersLine(results)} of a core; much above 5 % makes the figures rough.`,
    'Targets:',
    judge(results)
      .map((verdict) => `- ${describeVerdict(verdict)}`)
      .join('\n'),
    results.failures
      .map(
        (f) =>
          `- FAILED ${f.peer} ${f.work}, ${f.round < 0 ? 'warm-up' : `round ${f.round + 1}`}: ${f.reason}`,
      )
      .join('\n'),
  ]
    .filter((part) => part !== '')
    .join('\n\n')
}

function figuresTable(peers: readonly PeerName[], results: Results): string {
  const rows = metricNames
    .filter((metric) => results.samples.some((sample) => sample.metric === metric))
    .map((metric) => [
      `${metrics[metric].title}, ${metrics[metric].unit}`,
      ...peers.map((peer) => figure(metric, peer, results)),
    ])
  return table(['', ...peers], rows)
}

function figure(metric: MetricName, peer: PeerName, results: Results): string {
  const spread = results.spread(metric, peer)
  if (spread === null) return '–'
  const [middle, min, max] = [spread.median, spread.min, spread.max].map((v) =>
    v.toFixed(metrics[metric].digits),
  )
  const ratio = peer === 'haproxy' ? null : results.ratio(metric, peer, 'haproxy')
  return `${middle} (${min} to ${max})${ratio === null ? '' : `, ${ratio.toFixed(2)}x`}`
}

function loadTable(peers: readonly PeerName[], results: Results): string {
  const rows = workNames
    .filter((work) => results.loads.some((load) => load.work === work))
    .map((work) => [work, ...peers.map((peer) => loadOf(work, peer, results))])
  return table(['', ...peers], rows)
}

function loadOf(work: WorkName, peer: PeerName, results: Results): string {
  const load = results.load(work, peer)
  if (load === null) return '–'
  const shares = [load.proxy, load.backend, load.generator].map((share) => `${Math.round(share * 100)}`)
  return `${Math.round(load.unitsPerSecond)}/s, ${shares.join(' + ')} %`
}

function othersLine(results: Results): string {
  const shares = results.loads.map((load) => load.others)
  return shares.length === 0 ? 'an unknown share' : `${Math.round(median(shares) * 100)} %`
}

/** A Markdown table, with its columns aligned for those who read it as plain text. */
export function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const widths = head.map((title, i) => Math.max(3, title.length, ...rows.map((row) => row[i]!.length)))
  const line = (cells: readonly string[]) =>
    `| ${cells.map((cell, i) => cell.padEnd(widths[i]!)).join(' | ')} |`
  return [line(head), line(widths.map((width) => '-'.repeat(width))), ...rows.map(line)].join('\n')
}
