import { parseArgs } from 'node:util'
import { simulate } from './support/simulation.ts'

// node test/simulation/soak-main.ts --seconds 60 [--from 1]: simulates one seed after the other and tells the bad ones.
// With --endings 100000 one run of a crowd of tunnels.
// FAIRLEAD_SEED=17 node test/simulation/soak-main.ts: just that one.

const { values } = parseArgs({
  options: {
    seconds: { type: 'string', default: '60' },
    from: { type: 'string', default: '1' },
    endings: { type: 'string', default: '0' },
  },
})
const endings = Number(values.endings)
const only = process.env.FAIRLEAD_SEED ?? (endings > 0 ? values.from : undefined)
const counts = new Map<string, number>()
const until = performance.now() + Number(values.seconds) * 1000
let [runs, steps, failures] = [0, 0, 0]
for (
  let seed = Number(only ?? values.from);
  runs === 0 || (only === undefined && performance.now() < until);
  seed++
) {
  const outcome = await simulate(seed, endings)
  runs++
  steps += outcome.steps
  for (const [what, count] of outcome.counts) counts.set(what, (counts.get(what) ?? 0) + count)
  if (outcome.violations.length === 0) continue
  failures++
  process.exitCode = 1
  console.log(`FAIRLEAD_SEED=${seed}\n  ${outcome.violations.slice(0, 3).join('\n  ')}`)
  if (failures === 20) break
}
for (const [what, count] of [...counts].sort()) console.log(`${String(count).padStart(9)}  ${what}`)
console.log(`${runs} runs, ${steps} events, ${failures} with violations`)
