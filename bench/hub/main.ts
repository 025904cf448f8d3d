/** `npm run bench:hub`: the hub and its peers on the same work, side by side. See bench/README.md. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { cpus, release, tmpdir } from 'node:os'
import { join } from 'node:path'
import { killAll, stopAll } from '../child.ts'
import { describeCores } from '../cores.ts'
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
  for (const found of options.contenders.map((name) => findContender(name, folder))) {
    if ('version' in found) contenders.push(found)
    else missing[found.name] = found.missing
  }
  const rig = await HubRig.start(folder)
  if (rig.redisUrl === null) missing.cluster = 'redis-server is not installed (Debian package redis-server)'
  for (const [name, reason] of Object.entries(missing)) say(`skipping ${name}: ${reason}`)
  const results = await runHubBench(rig, contenders, options.works, options.pace, say)
  const facts: HubRunFacts = {
    date: new Date().toISOString().slice(0, 16).replace('T', ' '),
    machine: [
      `Linux ${release()}`,
      `${cpus().length} cores (${cpus()[0]?.model.trim() ?? 'unknown'})`,
      describeCores()
        .replace('proxy', 'servers')
        .replace('backend', 'broker')
        .replace('generator', 'clients'),
    ].join(', '),
    versions: Object.fromEntries(contenders.map(({ name, version }) => [name, version])),
    missing,
    rounds: options.pace.rounds,
    seconds: (performance.now() - began) / 1000,
  }
  const markdown = hubReport(facts, results)
  console.log(markdown)
  const { samples, loads, failures } = results
  const json = { ...facts, pace: options.pace, samples, loads, failures, targets: judgeHub(results) }
  say(`written to ${save(options.out, facts.date, markdown, json)}.{md,json}`)
  if (failures.length > 0) process.exitCode = 1
}

function save(folder: string, date: string, markdown: string, json: unknown): string {
  mkdirSync(folder, { recursive: true })
  const path = join(folder, `hub-${date.replace(' ', '-').replace(':', '')}`)
  writeFileSync(`${path}.md`, `${markdown}\n`)
  writeFileSync(`${path}.json`, `${JSON.stringify(json, null, 2)}\n`)
  return path
}

async function main(): Promise<void> {
  const options = parseHubOptions(process.argv.slice(2))
  if (options.help) return console.log(usage)
  if (process.platform !== 'linux') throw new Error('the bench reads /proc and runs on Linux only')
  const folder = mkdtempSync(join(tmpdir(), 'fairlead-bench-hub-'))
  const leave = async (code: number) => {
    await stopAll()
    rmSync(folder, { recursive: true, force: true })
    process.exit(code)
  }
  process.once('exit', killAll)
  process.once('SIGINT', () => void leave(130))
  process.once('SIGTERM', () => void leave(143))
  try {
    await bench(options, folder)
  } finally {
    await stopAll()
    rmSync(folder, { recursive: true, force: true })
  }
}

main().catch((error: Error) => {
  say(error.message)
  say(usage)
  process.exitCode = 1
})
