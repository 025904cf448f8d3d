/** `npm run bench`: Fairlead and its peers on the same work, side by side. See bench/README.md. */
import { mkdirSync, writeFileSync } from 'node:fs'
import { cpus, release } from 'node:os'
import { join } from 'node:path'
import { describeCores } from './cores.ts'
import { type BenchOptions, parseOptions, usage } from './options.ts'
import { findPeer, type Peer, type PeerName } from './peers.ts'
import { runProgram } from './program.ts'
import { type RunFacts, reportMarkdown } from './report.ts'
import { Rig } from './rig.ts'
import { runBench } from './run.ts'
import { judge } from './targets.ts'

function say(text: string): void {
  console.error(text)
}

async function bench(options: BenchOptions, folder: string): Promise<void> {
  const began = performance.now()
  const peers: Peer[] = []
  const missing: Partial<Record<PeerName, string>> = {}
  for (const found of options.peers.map((name) => findPeer(name, folder))) {
    if ('version' in found) peers.push(found)
    else {
      missing[found.name] = found.missing
      say(`skipping ${found.name}: ${found.missing}`)
    }
  }
  const rig = await Rig.start(folder)
  const results = await runBench(rig, peers, options.works, options.pace, say)
  const facts: RunFacts = {
    date: new Date().toISOString().slice(0, 16).replace('T', ' '),
    machine: [
      `Linux ${release()}`,
      `${cpus().length} cores (${cpus()[0]?.model.trim() ?? 'unknown'})`,
      describeCores(),
    ].join(', '),
    versions: Object.fromEntries(peers.map((peer) => [peer.name, peer.version])),
    missing,
    rounds: options.pace.rounds,
    seconds: (performance.now() - began) / 1000,
  }
  const markdown = reportMarkdown(facts, results)
  console.log(markdown)
  const { samples, loads, failures } = results
  const json = { ...facts, pace: options.pace, samples, loads, failures, targets: judge(results) }
  say(`written to ${save(options.out, facts.date, markdown, json)}.{md,json}`)
  if (failures.length > 0) process.exitCode = 1
}

function save(folder: string, date: string, markdown: string, json: unknown): string {
  mkdirSync(folder, { recursive: true })
  const path = join(folder, date.replace(' ', '-').replace(':', ''))
  writeFileSync(`${path}.md`, `${markdown}\n`)
  writeFileSync(`${path}.json`, `${JSON.stringify(json, null, 2)}\n`)
  return path
}

runProgram({ usage, parse: () => parseOptions(process.argv.slice(2)), run: bench })
