/**
 * `npm run bench:policies`: the real policies over simulated backends. Writes the pictures of
 * docs/guide/choosing-a-policy.md and prints the figures beside them. The same every time: all chance is seeded.
 *
 *     node bench/policies/main.ts [--smoke] [--out FOLDER]
 */
import { mkdirSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { type Chart, drawChart } from './chart.ts'
import type { ContenderName } from './contenders.ts'
import { failure, type Outcome, type Scale, scaleOut, skewedWeights } from './scenes.ts'

interface Picture {
  readonly file: string
  readonly scene: (name: ContenderName, scale: Scale) => Outcome
  readonly chart: Omit<Chart, 'lines'>
}

/** Peak EWMA compares latencies, which nobody has here. */
const shown: readonly ContenderName[] = [
  'round robin',
  'least connections',
  'power of two',
  'random',
  'hash, bound 150 %',
  'hash, no bound',
]

const sortedAxes = {
  x: 'backends, from the least to the most loaded',
  y: 'load against the fair share',
  marks: [0.25, 0.25],
} as const

const pictures: readonly Picture[] = [
  {
    file: 'policy-scale-out.svg',
    scene: scaleOut,
    chart: {
      title: '200 backends join 1,000 that carry 100 connections each',
      x: 'connections that were renewed since',
      y: 'load of the new backends against the fair share',
      until: [2, 1.2],
      marks: [0.25, 0.2],
    },
  },
  {
    file: 'policy-failure.svg',
    scene: failure,
    chart: {
      title: '100 of 1,000 backends die and their clients come back at once',
      until: [1, 1.75],
      ...sortedAxes,
    },
  },
  {
    file: 'policy-weights.svg',
    scene: skewedWeights,
    chart: { title: '1,000 backends of weight 1, 4, 16 and 64', until: [1, 2], ...sortedAxes },
  },
]

const images = fileURLToPath(new URL('../../docs/images/', import.meta.url))
const { values: flags } = parseArgs({
  options: { smoke: { type: 'boolean' }, out: { type: 'string', default: images } },
})
const scale: Scale = flags.smoke ? { backends: 20, each: 10 } : { backends: 1000, each: 100 }

mkdirSync(flags.out, { recursive: true })
let picks = 0
for (const { file, scene, chart } of pictures) {
  const outcomes = shown.map((name) => scene(name, scale))
  const lines = outcomes.map(({ line }) => line)
  writeFileSync(new URL(file, `file://${flags.out.replace(/\/?$/, '/')}`), drawChart({ ...chart, lines }))
  console.log(`\n${chart.title} (${file})\n`)
  console.log(table(outcomes))
  picks += outcomes.reduce((sum, outcome) => sum + outcome.picks, 0)
}
console.log(`\n${picks.toLocaleString('en')} picks`)

function table(outcomes: readonly Outcome[]): string {
  const columns = Object.keys(outcomes[0]?.figures ?? {})
  const rows = outcomes.map(({ name, figures }) => [name, ...columns.map((column) => figures[column])])
  const head = ['', ...columns]
  return [head, head.map(() => '---'), ...rows].map((row) => `| ${row.join(' | ')} |`).join('\n')
}
