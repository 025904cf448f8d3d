/** Most events within any second, of their times in milliseconds, ascending. */
export function peakPerSecond(times: readonly number[]): number {
  let peak = 0
  let first = 0
  for (const [index, time] of times.entries()) {
    while ((times[first] as number) <= time - 1000) first++
    peak = Math.max(peak, index - first + 1)
  }
  return peak
}

type Point = readonly [x: number, y: number]

/** Events within the second before each moment, as points of a line. */
export function perSecond(times: readonly number[], startedAt: number, until: number, step = 50): Point[] {
  return moments(until, step).map((at) => {
    const end = countUpTo(times, startedAt + at)
    return [at / 1000, end - countUpTo(times, startedAt + at - 1000)]
  })
}

/** Events so far at each moment, as points of a line. */
export function soFar(times: readonly number[], startedAt: number, until: number, step = 50): Point[] {
  return moments(until, step).map((at) => [at / 1000, countUpTo(times, startedAt + at)])
}

function moments(until: number, step: number): number[] {
  return Array.from({ length: Math.floor(until / step) + 1 }, (_, index) => index * step)
}

/** How many are not after the time. */
function countUpTo(times: readonly number[], time: number): number {
  let low = 0
  let high = times.length
  while (low < high) {
    const middle = (low + high) >> 1
    if ((times[middle] as number) <= time) low = middle + 1
    else high = middle
  }
  return low
}
