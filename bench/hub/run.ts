import type { Contender } from './contenders.ts'
import type { HubMetricName } from './metrics.ts'
import { HubResults } from './results.ts'
import type { HubRig } from './rig.ts'
import { canDo, type HubPace, type HubWork, type HubWorkName, hubWorks } from './work.ts'

/** Says what is going on; the figures come at the end. */
type Progress = (text: string) => void

/**
 * Measures every contender with every work in every round, each in fresh processes. Within a round the contenders of
 * one work follow each other directly, and every other round goes backwards, so that a drift of the machine hits all
 * of them alike. One that fails is reported and left out of that work from there on.
 */
export async function runHubBench(
  rig: HubRig,
  contenders: readonly Contender[],
  chosen: readonly HubWorkName[],
  pace: HubPace,
  progress: Progress,
): Promise<HubResults> {
  const results = new HubResults()
  const failed = new Set<string>()
  for (let round = 0; round < pace.rounds; round++) {
    for (const work of chosen.map((name) => hubWorks[name])) {
      if (round >= work.rounds(pace)) continue
      progress(`round ${round + 1} of ${work.rounds(pace)}: ${work.name}`)
      for (const contender of round % 2 === 0 ? contenders : [...contenders].reverse()) {
        const key = `${work.name} ${contender.name}`
        if (failed.has(key) || !canDo(work, contender) || (work.clustered && rig.redisUrl === null)) continue
        try {
          await measure(rig, work, contender, round, pace, results)
        } catch (error) {
          failed.add(key)
          const reason = (error as Error).message
          results.failures.push({ work: work.name, contender: contender.name, round, reason })
          progress(`${contender.name} failed in ${work.name} and is left out of it from here on: ${reason}`)
        }
      }
    }
  }
  return results
}

async function measure(
  rig: HubRig,
  work: HubWork,
  contender: Contender,
  round: number,
  pace: HubPace,
  results: HubResults,
): Promise<void> {
  const nodes = await rig.startNodes(contender, work.nodes, work.clustered)
  try {
    const { values, loads } = await work.measure(rig, nodes, pace)
    for (const [metric, value] of Object.entries(values) as [HubMetricName, number][]) {
      results.samples.push({ metric, contender: contender.name, round, value })
    }
    for (const load of loads) results.loads.push({ ...load, contender: contender.name, round })
  } finally {
    await Promise.all(nodes.children.map((child) => child.stop()))
  }
}
