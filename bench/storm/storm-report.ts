import { type Chart, drawChart, type Line } from '../policies/chart.ts'
import { table } from '../report.ts'
import { percentile } from '../statistics.ts'
import type { StormResult } from './field.ts'
import { peakPerSecond, perSecond, soFar } from './figures.ts'
import { idealWait, rateOf, type Storm } from './storm.ts'

/** The storm as one of the contenders weathered it. */
export interface Weathered {
  readonly name: string
  readonly result: StormResult
}

/** The figures of all contenders as Markdown. */
export function stormTable(storm: Storm, all: readonly Weathered[]): string {
  const rows: [title: string, of: (result: StormResult) => string][] = [
    [`clients in, of ${storm.clients}`, ({ clients }) => `${clients.entries.length}`],
    ['wait p50, s', (result) => waitOf(result, 0.5)],
    ['wait p99, s', (result) => waitOf(result, 0.99)],
    ['wait longest, s', (result) => waitOf(result, 1)],
    ['in at the first attempt', ({ clients: { entries } }) => share(entries.filter(isFirst), entries)],
    ['most attempts', ({ clients }) => `${Math.max(0, ...clients.entries.map(({ attempt }) => attempt))}`],
    ['attempts that failed', ({ clients }) => failuresOf(clients.failures)],
    ['tunnels lost', ({ clients }) => `${clients.lost}`],
    [
      `most arrivals in a second at a backend that takes ${rateOf(storm)}`,
      (result) => `${Math.max(...result.backends.map((one) => peakPerSecond(one.arrivals)))}`,
    ],
    ['connections that backends reset', ({ backends }) => `${sum(backends.map((one) => one.refused))}`],
    [
      'longest pause of a backend, ms',
      ({ backends }) => Math.max(...backends.map(({ pausedMs }) => pausedMs)).toFixed(0),
    ],
    ['memory before, MiB', ({ bytesBefore }) => mebibytes(bytesBefore)],
    ['memory at most, MiB', ({ bytesPeak }) => mebibytes(bytesPeak)],
    ['processor time, ms', ({ cpuMs }) => `${Math.round(cpuMs)}`],
  ]
  const ideal = ['', ...[0.5, 0.99, 1].map((part) => seconds(idealWait(storm, part)))]
  return table(
    ['', 'ideal queue', ...all.map(({ name }) => name)],
    rows.map(([title, of], index) => [title, ideal[index] ?? '', ...all.map(({ result }) => of(result))]),
  )
}

/** How fast new connections came to the backend that got most of them at a time. */
export function arrivalsPicture(storm: Storm, all: readonly Weathered[]): string {
  const until = longest(storm, all)
  const lines = all.map(({ name, result: { backends, clients } }) => {
    const lists = backends.map(({ arrivals }) => arrivals).sort((a, b) => peakPerSecond(b) - peakPerSecond(a))
    return { name, points: perSecond(lists[0] ?? [], clients.startedAt, until) }
  })
  const limit: Line = { name: 'what it takes', points: flat(rateOf(storm), until) }
  return draw(
    storm,
    `New connections at a backend that takes ${rateOf(storm)} a second`,
    'in the last second',
    [...lines, limit],
  )
}

/** How many clients were in. */
export function clientsPicture(storm: Storm, all: readonly Weathered[]): string {
  const until = longest(storm, all)
  const lines = all.map(({ name, result: { clients } }) => {
    const times = clients.entries.map(({ at }) => at).sort((a, b) => a - b)
    return { name, points: soFar(times, clients.startedAt, until) }
  })
  const whole = idealWait(storm, 1) / 1000
  const end = until / 1000
  const ideal: Line = {
    name: 'ideal queue',
    points: [
      [0, 0],
      [Math.min(whole, end), storm.clients * Math.min(1, end / whole)],
      [end, storm.clients * Math.min(1, end / whole)],
    ],
  }
  return draw(storm, `${storm.clients} clients return at once`, 'clients that are in', [...lines, ideal])
}

function draw(storm: Storm, what: string, y: string, lines: readonly Line[]): string {
  const missing = storm.down === 0 ? '' : `, ${storm.down} of ${storm.backends} backends gone`
  const most = (of: 0 | 1) => Math.max(1, ...lines.flatMap(({ points }) => points.map((point) => point[of])))
  const marks = [roundMark(most(0)), roundMark(most(1))] as const
  const chart: Chart = {
    title: `${what}${missing}`,
    x: 'seconds since they came',
    y,
    until: [most(0), Math.ceil(most(1) / marks[1]) * marks[1]],
    marks,
    write: [String, String],
    lines,
  }
  return drawChart(chart)
}

/** A round distance that makes about five to ten marks. */
function roundMark(most: number): number {
  const power = 10 ** Math.floor(Math.log10(most))
  return ([0.1, 0.2, 0.5, 1].find((part) => most / (part * power) <= 10) ?? 1) * power
}

/** Milliseconds until the last client of all was in, or the time was over. */
function longest(storm: Storm, all: readonly Weathered[]): number {
  const ends = all.map(({ result: { clients } }) =>
    clients.entries.length < storm.clients
      ? storm.deadlineMs
      : Math.max(...clients.entries.map(({ at }) => at)) - clients.startedAt,
  )
  return Math.ceil(Math.max(idealWait(storm, 1), ...ends) / 1000) * 1000
}

function flat(value: number, until: number): [number, number][] {
  return [0, until / 1000].map((x) => [x, value])
}

function waitOf({ clients }: StormResult, part: number): string {
  const waits = Float64Array.from(clients.entries, ({ waited }) => waited).sort()
  return waits.length === 0 ? '–' : seconds(percentile(waits, part))
}

function seconds(milliseconds: number): string {
  return (milliseconds / 1000).toFixed(2)
}

function mebibytes(bytes: number): string {
  return (bytes / 1024 ** 2).toFixed(0)
}

function isFirst({ attempt }: { readonly attempt: number }): boolean {
  return attempt === 1
}

function share(some: readonly unknown[], all: readonly unknown[]): string {
  return all.length === 0
    ? '–'
    : `${((100 * some.length) / all.length).toFixed(some.length === all.length ? 0 : 1)} %`
}

function failuresOf(failures: Readonly<Record<string, number>>): string {
  const kinds = Object.entries(failures).sort(([, a], [, b]) => b - a)
  return kinds.length === 0 ? '0' : kinds.map(([reason, count]) => `${count} ${reason}`).join(', ')
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0)
}
