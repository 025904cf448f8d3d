/** `npm run bench`: Fairlead and its peers on the same work, side by side. See bench/README.md. */
import { describeMachine } from './cores.ts'
import { type BenchOptions, parseOptions, usage } from './options.ts'
import { findPeer, type Peer, type PeerName } from './peers.ts'
import { runProgram } from './program.ts'
import { type RunFacts, reportMarkdown } from './report.ts'
import { reportDate, saveReport } from './report-files.ts'
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
  for (const found of options.names.map((name) => findPeer(name, folder))) {
    if ('version' in found) peers.push(found)
    else {
      missing[found.name] = found.missing
      say(`skipping ${found.name}: ${found.missing}`)
    }
  }
  const rig = await Rig.start(folder)
  const results = await runBench(rig, peers, options.works, options.pace, say)
  const facts: RunFacts = {
    date: reportDate(),
    machine: describeMachine(),
    versions: Object.fromEntries(peers.map((peer) => [peer.name, peer.version])),
    missing,
    rounds: options.pace.rounds,
    seconds: (performance.now() - began) / 1000,
  }
  const markdown = reportMarkdown(facts, results)
  console.log(markdown)
  const { samples, loads, failures } = results
  const json = { ...facts, pace: options.pace, samples, loads, failures, targets: judge(results) }
  say(`written to ${saveReport(options.out, '', markdown, json)}.{md,json}`)
  if (failures.length > 0) process.exitCode = 1
}

runProgram({ usage, parse: () => parseOptions(process.argv.slice(2)), run: bench })
