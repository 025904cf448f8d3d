/** `npm run bench:hub`: the hub and its peers on the same work, side by side. See bench/README.md. */
import { describeMachine } from '../cores.ts'
import { runProgram } from '../program.ts'
import { reportDate, saveReport } from '../report-files.ts'
import { type Contender, type ContenderName, findContender } from './contenders.ts'
import { type HubBenchOptions, parseHubOptions, usage } from './options.ts'
import { type HubRunFacts, hubReport } from './report.ts'
import { HubRig } from './rig.ts'
import { runHubBench } from './run.ts'
import { judgeHub } from './targets.ts'

function say(text: string): void {
  console.error(text)
}

async function bench(options: HubBenchOptions, folder: string): Promise<void> {
  const began = performance.now()
  const contenders: Contender[] = []
  const missing: Partial<Record<ContenderName | 'cluster', string>> = {}
  for (const found of options.names.map((name) => findContender(name, folder))) {
    if ('version' in found) contenders.push(found)
    else missing[found.name] = found.missing
  }
  const rig = await HubRig.start(folder)
  if (rig.redisUrl === null) missing.cluster = 'redis-server is not installed (Debian package redis-server)'
  for (const [name, reason] of Object.entries(missing)) say(`skipping ${name}: ${reason}`)
  const results = await runHubBench(rig, contenders, options.works, options.pace, say)
  const facts: HubRunFacts = {
    date: reportDate(),
    machine: describeMachine({ proxy: 'servers', backend: 'broker', generator: 'clients' }),
    versions: Object.fromEntries(contenders.map(({ name, version }) => [name, version])),
    missing,
    rounds: options.pace.rounds,
    seconds: (performance.now() - began) / 1000,
  }
  const markdown = hubReport(facts, results)
  console.log(markdown)
  const { samples, loads, failures } = results
  const json = { ...facts, pace: options.pace, samples, loads, failures, targets: judgeHub(results) }
  say(`written to ${saveReport(options.out, 'hub-', markdown, json)}.{md,json}`)
  if (failures.length > 0) process.exitCode = 1
}

runProgram({ usage, parse: () => parseHubOptions(process.argv.slice(2)), run: bench })
