import type { Contender } from './contenders.ts'
import type { HubResult, Span } from './job.ts'
import type { HubMetricName } from './metrics.ts'
import type { HubRig, Nodes } from './rig.ts'

export const hubWorkNames = ['room1k', 'room9k', 'echo', 'memory', 'cluster', 'cluster-memory'] as const
export type HubWorkName = (typeof hubWorkNames)[number]

/** How much of everything. */
export interface HubPace extends Span {
  readonly rounds: number
  /** Memory varies less than time, so it needs fewer rounds. */
  readonly memoryRounds: number
  readonly smallRoom: number
  readonly largeRoom: number
  readonly clusterRoom: number
  readonly idle: number
}

/** How fast it went, and the share of one core that servers, broker, clients and everything else used. */
export interface HubLoad {
  readonly metric: HubMetricName
  readonly unitsPerSecond: number
  readonly nodes: number
  readonly broker: number
  readonly generator: number
  readonly others: number
}

export interface HubFinding {
  readonly values: Partial<Record<HubMetricName, number>>
  readonly loads: readonly HubLoad[]
}

/** One kind of measurement, on nodes that were started for it. */
export interface HubWork {
  readonly name: HubWorkName
  readonly nodes: number
  readonly clustered: boolean
  rounds(pace: HubPace): number
  measure(rig: HubRig, nodes: Nodes, pace: HubPace): Promise<HubFinding>
}

/** Whether a contender has what a work needs. */
export function canDo(work: HubWork, contender: Contender): boolean {
  return !work.clustered || contender.redis !== 'never'
}

const everyRound = (pace: HubPace) => pace.rounds
const memoryRounds = (pace: HubPace) => pace.memoryRounds
const one = { nodes: 1, clustered: false } as const

export const hubWorks: Record<HubWorkName, HubWork> = {
  room1k: { name: 'room1k', ...one, rounds: everyRound, measure: measureSmallRoom },
  room9k: { name: 'room9k', ...one, rounds: everyRound, measure: measureLargeRoom },
  echo: { name: 'echo', ...one, rounds: everyRound, measure: measureEcho },
  memory: { name: 'memory', ...one, rounds: memoryRounds, measure: measureMemory('memory') },
  cluster: { name: 'cluster', nodes: 3, clustered: true, rounds: everyRound, measure: measureCluster },
  'cluster-memory': {
    name: 'cluster-memory',
    nodes: 1,
    clustered: true,
    rounds: memoryRounds,
    measure: measureMemory('clusterMemory'),
  },
}

const single = { burst: 1, inFlight: 1 }
const burst = { burst: 10, inFlight: 1 }
/** So that no node waits for the clients. */
const flood = { burst: 10, inFlight: 8 }
const publishEveryMs = 20
const echoConnections = 50

/** One message at a time, ten at a time, and then, far from saturation, how long a delivery takes. */
async function measureSmallRoom(rig: HubRig, nodes: Nodes, pace: HubPace): Promise<HubFinding> {
  await rig.gather(nodes, pace.smallRoom)
  const one = await rig.broadcast(nodes, pace, single)
  const ten = await rig.broadcast(nodes, pace, burst)
  const paced = await rig.paced(nodes, pace, publishEveryMs)
  await rig.disperse()
  return {
    values: {
      fan1k: cpuPerUnit(one),
      burst1k: cpuPerUnit(ten),
      p50: paced.p50Us ?? Number.NaN,
      p99: paced.p99Us ?? Number.NaN,
    },
    loads: [loadOf('fan1k', one), loadOf('burst1k', ten), loadOf('p50', paced)],
  }
}

async function measureLargeRoom(rig: HubRig, nodes: Nodes, pace: HubPace): Promise<HubFinding> {
  await rig.gather(nodes, pace.largeRoom)
  const result = await rig.broadcast(nodes, pace, single)
  await rig.disperse()
  return { values: { fan9k: cpuPerUnit(result) }, loads: [loadOf('fan9k', result)] }
}

async function measureEcho(rig: HubRig, nodes: Nodes, pace: HubPace): Promise<HubFinding> {
  const result = await rig.echo(nodes, pace, echoConnections)
  return { values: { echo: cpuPerUnit(result) }, loads: [loadOf('echo', result)] }
}

/** The publisher is at the first node, a third of the members at each. */
async function measureCluster(rig: HubRig, nodes: Nodes, pace: HubPace): Promise<HubFinding> {
  await rig.gather(nodes, pace.clusterRoom)
  const one = await rig.broadcast(nodes, pace, single)
  const ten = await rig.broadcast(nodes, pace, burst)
  const many = await rig.broadcast(nodes, pace, flood)
  await rig.disperse()
  return {
    values: {
      cluster: cpuPerUnit(one),
      clusterBurst: cpuPerUnit(ten),
      clusterRate: many.units / many.seconds,
    },
    loads: [loadOf('cluster', one), loadOf('clusterBurst', ten), loadOf('clusterRate', many)],
  }
}

const warmConnections = 20

/** Growth of resident memory from after a few connections came and went to when all are open and idle. */
function measureMemory(metric: HubMetricName) {
  return async (rig: HubRig, nodes: Nodes, { idle }: HubPace): Promise<HubFinding> => {
    await rig.openIdle(nodes, warmConnections)
    await rig.disperse()
    const start = await settledBytes(rig, nodes)
    await rig.openIdle(nodes, idle)
    const grown = (await settledBytes(rig, nodes)) - start
    await rig.disperse()
    return { values: { [metric]: grown / idle / 1024 }, loads: [] }
  }
}

const settleStepMs = 250
/** Idle is who has been so for a while: runtimes tidy up behind a burst of connections. */
const settleAtLeast = 12
const settleAtMost = 24

/** Resident bytes after three seconds, and once they change by less than 0.5 % in a quarter of a second. */
async function settledBytes(rig: HubRig, nodes: Nodes): Promise<number> {
  let last = rig.residentBytes(nodes)
  for (let step = 1; step <= settleAtMost; step++) {
    await new Promise((resolve) => setTimeout(resolve, settleStepMs))
    const now = rig.residentBytes(nodes)
    if (step >= settleAtLeast && Math.abs(now - last) < last * 0.005) return now
    last = now
  }
  return last
}

function cpuPerUnit({ nodesCpuNs, units }: HubResult): number {
  return nodesCpuNs / units / 1000
}

function loadOf(metric: HubMetricName, result: HubResult): HubLoad {
  const { nodesCpuNs, brokerCpuNs, loadCpuNs, machineCpuNs, seconds, units } = result
  const [nodes, broker, generator, machine] = [nodesCpuNs, brokerCpuNs, loadCpuNs, machineCpuNs].map(
    (nanoseconds) => nanoseconds / (seconds * 1e9),
  ) as [number, number, number, number]
  const others = Math.max(0, machine - nodes - broker - generator)
  return { metric, unitsPerSecond: units / seconds, nodes, broker, generator, others }
}
