import type { WindowResult } from './job.ts'
import type { MetricName } from './metrics.ts'
import { listProcessTree, readResidentBytes } from './proc.ts'
import type { Rig, RunningPeer, Shape } from './rig.ts'
import type { WorkName } from './work-names.ts'

/** How much of everything; see `paceOf` in options.ts for the values of the default and of `--quick`. */
export interface Pace {
  readonly rounds: number
  /** Length of each measurement in the round before the first, which lets runtimes compile what is hot. */
  readonly warmUpMs: number
  readonly warmMs: number
  readonly measureMs: number
  readonly latencyMs: number
  readonly tunnels: number
  /** Memory varies less than time, so it needs fewer rounds. */
  readonly memoryRounds: number
}

/** What a measurement found: values by metric, and how busy everyone was, where that matters. */
export interface Finding {
  readonly values: Partial<Record<MetricName, number>>
  readonly load?: LoadShares
}

/** How fast it went, and the share of one core that each process, and everything else on the machine, used. */
export interface LoadShares {
  readonly unitsPerSecond: number
  readonly proxy: number
  readonly backend: number
  readonly generator: number
  readonly others: number
}

/** One kind of measurement. */
export interface Work {
  readonly name: WorkName
  /** Whether it needs the peer in a fresh process. */
  readonly fresh: boolean
  /** Whether it is run once before the first round, so that the peer is in its stride. */
  readonly compiles: boolean
  rounds(pace: Pace): number
  measure(rig: Rig, target: RunningPeer, pace: Pace): Promise<Finding>
}

export const works: Record<WorkName, Work> = {
  ws64: cpuWork('ws64', 'messages', 50, 64),
  ws16k: cpuWork('ws16k', 'messages', 50, 16 * 1024),
  ws64k: cpuWork('ws64k', 'messages', 50, 64 * 1024),
  http: cpuWork('http', 'requests', 50, 0),
  upgrade: cpuWork('upgrade', 'upgrades', 16, 0),
  memory: {
    name: 'memory',
    fresh: true,
    compiles: false,
    rounds: (pace) => pace.memoryRounds,
    measure: measureMemory,
  },
  latency: {
    name: 'latency',
    fresh: false,
    compiles: false,
    rounds: (pace) => pace.rounds,
    measure: measureLatency,
  },
}

type CpuWork = 'ws64' | 'ws16k' | 'ws64k' | 'http' | 'upgrade'

function cpuWork(
  name: CpuWork,
  kind: 'messages' | 'requests' | 'upgrades',
  connections: number,
  payload: number,
): Work {
  return {
    name,
    fresh: false,
    compiles: true,
    rounds: (pace) => pace.rounds,
    async measure(rig, target, { warmMs, measureMs }) {
      const result = await rig.measure(kind, target, { connections, payload, warmMs, measureMs })
      if (result.units === 0) throw new Error(`nothing came back in ${measureMs} ms`)
      return { values: { [name]: result.proxyCpuNs / result.units / 1000 }, load: sharesOf(result) }
    },
  }
}

function sharesOf(result: WindowResult): LoadShares {
  const [proxy, backend, generator, machine] = [
    result.proxyCpuNs,
    result.backendCpuNs,
    result.loadCpuNs,
    result.machineCpuNs,
  ].map((nanoseconds) => nanoseconds / (result.seconds * 1e9)) as [number, number, number, number]
  const others = Math.max(0, machine - proxy - backend - generator)
  return { unitsPerSecond: result.units / result.seconds, proxy, backend, generator, others }
}

const warmTunnels = 20

/**
 * Resident memory per idle tunnel of a fresh process: after a few tunnels came and went (so that code and tables are
 * loaded), all are opened, and the growth is divided by their number. Then they are closed and opened once more; the
 * second fill, against the same start, shows what the process keeps.
 */
async function measureMemory(rig: Rig, target: RunningPeer, { tunnels }: Pace): Promise<Finding> {
  await rig.openTunnels(target, warmTunnels)
  await rig.closeTunnels()
  const start = await settledMemory(target)
  const perTunnel = async () => {
    await rig.openTunnels(target, tunnels)
    const grown = (await settledMemory(target)) - start
    await rig.closeTunnels()
    return grown / tunnels / 1024
  }
  const memory = await perTunnel()
  await settledMemory(target)
  return { values: { memory, refill: await perTunnel() } }
}

const settleStepMs = 250
const settleSteps = 8

/** Resident bytes once they change by less than 0.5 % in a quarter of a second, or after two seconds. */
async function settledMemory(target: RunningPeer): Promise<number> {
  const pids = listProcessTree(target.child.pid)
  let last = readResidentBytes(pids)
  for (let step = 0; step < settleSteps; step++) {
    await new Promise((resolve) => setTimeout(resolve, settleStepMs))
    const now = readResidentBytes(pids)
    if (Math.abs(now - last) < last * 0.005) return now
    last = now
  }
  return last
}

/** 20 tunnels with one message each per 10 ms: far from saturation. The direct way is measured right before. */
async function measureLatency(rig: Rig, target: RunningPeer, { warmMs, latencyMs }: Pace): Promise<Finding> {
  const shape: Shape = { connections: 20, payload: 64, warmMs, measureMs: latencyMs }
  const direct = await rig.measure('paced', 'direct', shape)
  const through = await rig.measure('paced', target, shape)
  return { values: { p50: through.p50Us - direct.p50Us, p99: through.p99Us - direct.p99Us } }
}
