/**
 * What a pick costs: nanoseconds at 10 and at 1,000 backends, for every policy.
 *
 *     node bench/policies/pick-main.ts [--smoke]      or: bun bench/policies/pick-main.ts
 */
import { parseArgs } from 'node:util'
import { Loads } from '../../src/core/balancing/contract/loads.ts'
import { seededRandom } from '../../src/core/balancing/contract/seeded-random.ts'
import type { Policy } from '../../src/core/balancing/policy.ts'
import { type ContenderName, contenderNames, contenders } from './contenders.ts'

/** The promise for a pick at 1,000 backends, in nanoseconds. */
const target = 1000

const { values: flags } = parseArgs({ options: { smoke: { type: 'boolean' } } })
const picks = flags.smoke ? 1000 : 300_000
const rounds = flags.smoke ? 1 : 9

interface Bench {
  readonly policy: Policy
  readonly loads: Loads
  readonly count: number
}

/** Backends of three weights that carry something, as in the middle of a day. */
function prepare(name: ContenderName, count: number, weighted: boolean): Bench {
  const source = seededRandom(7)
  const weights = Array.from({ length: count }, (_, index) => (weighted ? (index % 3) + 1 : 1))
  const loads = new Loads(count)
  const policy = contenders[name]({ weights, loads, source })
  loads.policy = policy
  for (let i = 0; i < 20 * count; i++) loads.open(all, (i * 0x9e3779b9) >>> 0)
  return { policy, loads, count }
}

const all = (): boolean => true
const nineOfTen = (index: number): boolean => index % 10 !== 3

/** Nanoseconds of one pick: the median of the rounds, after a round that lets the runtime compile. */
function measure(run: (count: number) => void): number {
  run(picks)
  const times: number[] = []
  for (let round = 0; round < rounds; round++) {
    const start = performance.now()
    run(picks)
    times.push(((performance.now() - start) * 1e6) / picks)
  }
  return times.sort((a, b) => a - b)[rounds >> 1] as number
}

/** What a sum of picks is for: nobody may find out that they are not needed. */
let sink = 0

function picksOf({ policy }: Bench, accept: (index: number) => boolean) {
  return (count: number) => {
    for (let i = 0; i < count; i++) sink += policy.pick(accept, Math.imul(i, 0x9e3779b9) >>> 0)
  }
}

/** A pick, its connection opened, and the connection of an earlier pick closed. */
function connectionsOf({ policy, loads, count }: Bench) {
  let closing = 0
  return (times: number) => {
    for (let i = 0; i < times; i++) {
      loads.add(policy.pick(all, Math.imul(i, 0x9e3779b9) >>> 0), 1)
      while (loads.of(closing) === 0) closing = (closing + 1) % count
      loads.add(closing, -1)
      closing = (closing + 1) % count
    }
  }
}

const runtime = process.versions.bun === undefined ? `Node ${process.version}` : `Bun ${process.versions.bun}`
console.log(`ns per pick on ${runtime}, median of ${rounds} x ${picks.toLocaleString('en')}\n`)
console.log(
  '|  | 10 | 1,000 | 1,000 of three weights | 1,000, a tenth refused | 1,000, with open and close |',
)
console.log('| --- | --- | --- | --- | --- | --- |')
let slowest = 0
for (const name of contenderNames) {
  const even = prepare(name, 1000, false)
  const weighted = prepare(name, 1000, true)
  const times = [
    measure(picksOf(prepare(name, 10, false), all)),
    measure(picksOf(even, all)),
    measure(picksOf(weighted, all)),
    measure(picksOf(even, nineOfTen)),
    measure(connectionsOf(even)),
  ]
  slowest = Math.max(slowest, ...times.slice(1))
  console.log(`| ${[name, ...times.map((time) => time.toFixed(0))].join(' | ')} |`)
}
console.log(`\ntarget below ${target} ns: ${slowest < target ? 'met' : 'MISSED'}${sink === 0 ? ' ' : ''}`)
