import type { Peer, PeerName } from './peers.ts'
import { Results } from './results.ts'
import type { Rig, RunningPeer } from './rig.ts'
import { type Pace, type Work, works } from './work.ts'
import type { WorkName } from './work-names.ts'

/** Says what is going on; the figures come at the end. */
type Progress = (text: string) => void

/**
 * Measures every peer with every work in every round. Within a round the peers of one work follow each other
 * directly, and every other round goes backwards, so that a drift of the machine hits all of them alike. A peer that
 * fails is reported and left out from there on.
 */
export async function runBench(
  rig: Rig,
  peers: readonly Peer[],
  chosen: readonly WorkName[],
  pace: Pace,
  progress: Progress,
): Promise<Results> {
  const results = new Results()
  const running = new Map<PeerName, RunningPeer>()
  const alive = new Set(peers)
  const warmUpPace: Pace = { ...pace, measureMs: pace.warmUpMs }
  const attempt = async (work: Work, peer: Peer, round: number, measure: () => Promise<void>) => {
    try {
      await measure()
    } catch (error) {
      alive.delete(peer)
      const reason = (error as Error).message
      results.failures.push({ work: work.name, peer: peer.name, round, reason })
      progress(`${peer.name} failed in ${work.name} and is left out from here on: ${reason}`)
    }
  }
  for (let round = -1; round < pace.rounds; round++) {
    // The round before the first only warms up: code is compiled, pools are filled.
    const warmUp = round < 0
    for (const work of chosen.map((name) => works[name])) {
      if (round >= work.rounds(pace) || (warmUp && !work.compiles)) continue
      progress(`${warmUp ? 'warm-up' : `round ${round + 1} of ${work.rounds(pace)}`}: ${work.name}`)
      for (const peer of round % 2 === 0 ? peers : [...peers].reverse()) {
        if (!alive.has(peer) || peer.works?.includes(work.name) === false) continue
        await attempt(work, peer, round, async () => {
          if (work.fresh) return measureFresh(rig, work, peer, round, pace, results)
          if (!running.has(peer.name)) running.set(peer.name, await rig.startPeer(peer))
          const finding = await work.measure(rig, running.get(peer.name)!, warmUp ? warmUpPace : pace)
          if (!warmUp) record(results, work, peer, round, finding)
        })
      }
    }
  }
  for (const { child } of running.values()) await child.stop()
  return results
}

async function measureFresh(rig: Rig, work: Work, peer: Peer, round: number, pace: Pace, results: Results) {
  const target = await rig.startPeer(peer)
  try {
    record(results, work, peer, round, await work.measure(rig, target, pace))
  } finally {
    await target.child.stop()
  }
}

type Finding = Awaited<ReturnType<Work['measure']>>

function record(results: Results, work: Work, peer: Peer, round: number, { values, load }: Finding): void {
  for (const [metric, value] of Object.entries(values)) {
    results.samples.push({ metric: metric as keyof typeof values, peer: peer.name, round, value })
  }
  if (load !== undefined) results.loads.push({ work: work.name, peer: peer.name, round, ...load })
}
