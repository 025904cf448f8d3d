import type { Line } from './chart.ts'
import type { ContenderName } from './contenders.ts'
import { Crowd } from './crowd.ts'

/** How large a simulated world is. */
export interface Scale {
  readonly backends: number
  /** Connections for each unit of weight. */
  readonly each: number
}

/** What came of one policy in a scene: a line of the picture, and figures for the table. */
export interface Outcome {
  readonly name: ContenderName
  readonly line: Line
  readonly figures: Readonly<Record<string, string>>
  readonly picks: number
}

/** Connections live for random times: after so many turnovers the start is forgotten. */
const settled = 3

/** A fifth more backends join a full pool; the line is what the newcomers carry while connections renew. */
export function scaleOut(name: ContenderName, { backends, each }: Scale): Outcome {
  const joining = Math.round(backends / 5)
  const all = backends + joining
  const clients = backends * each
  const crowd = new Crowd(name, clients, all, ones(backends))
  crowd.fill()
  crowd.renew(clients * settled)
  crowd.rebuild(ones(all))
  const share = clients / all
  const points: [number, number][] = [[0, 0]]
  const steps = 40
  let flood = 0
  for (let step = 1; step <= steps; step++) {
    const went = crowd.renew(Math.round((clients * 2) / steps))
    if (step === 1) flood = went.filter((index) => index >= backends).length / went.length
    const carried = crowd.loads.counts.slice(backends).reduce((sum, load) => sum + load, 0) / joining
    points.push([(2 * step) / steps, carried / share])
  }
  const half = points.find(([, carried]) => carried >= 0.9)?.[0]
  const figures = {
    'new connections that go to newcomers at first': percent(flood),
    'renewed until newcomers have 90 % of their share':
      half === undefined ? 'more than 200 %' : percent(half),
  }
  return { name, line: { name, points }, figures, picks: crowd.picks }
}

/** A tenth of the backends die and their clients come back at once; the line is the load of the rest, sorted. */
export function failure(name: ContenderName, { backends, each }: Scale): Outcome {
  const clients = backends * each
  const crowd = new Crowd(name, clients, backends, ones(backends))
  crowd.fill()
  crowd.renew(clients * settled)
  crowd.fail((index) => index % 10 === 3)
  return sortedLoads(name, crowd)
}

/** Backends of weight 1, 4, 16 and 64; the line is the load for the weight, sorted. */
export function skewedWeights(name: ContenderName, { backends, each }: Scale): Outcome {
  const weights = Array.from({ length: backends }, (_, index) => 4 ** (index % 4))
  const clients = Math.round((weights.reduce((sum, weight) => sum + weight, 0) * each) / 5)
  const crowd = new Crowd(name, clients, backends, weights)
  crowd.fill()
  crowd.renew(clients * settled)
  return sortedLoads(name, crowd)
}

/** Each backend's load against its share, from the least to the most. */
function sortedLoads(name: ContenderName, crowd: Crowd): Outcome {
  const { loads, weights } = crowd
  const up = [...weights.keys()].filter((index) => crowd.isUp(index))
  const whole = up.reduce((sum, index) => sum + (weights[index] as number), 0)
  const ratios = up
    .map((index) => ((loads.counts[index] as number) * whole) / ((weights[index] as number) * loads.total))
    .sort((a, b) => a - b)
  const at = (share: number) =>
    ratios[Math.min(ratios.length - 1, Math.floor(share * ratios.length))] as number
  const points = Array.from({ length: 101 }, (_, i): [number, number] => [i / 100, at(i / 100)])
  const figures = {
    'least loaded': percent(at(0)),
    'most loaded': percent(at(1)),
    'half of all lie between': `${percent(at(0.25))} and ${percent(at(0.75))}`,
  }
  return { name, line: { name, points }, figures, picks: crowd.picks }
}

function ones(count: number): number[] {
  return new Array<number>(count).fill(1)
}

function percent(value: number): string {
  return `${Math.round(value * 100)} %`
}
