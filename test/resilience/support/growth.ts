import { median } from '../../../bench/statistics.ts'
import type { MemoryReport } from './gateway-main.ts'

/** By how much a process grows, in bytes for each connection that came and went. */
export interface Growth {
  /** The middle one of all rounds: compiled code that is thrown away or made anew in one of them does not count. */
  readonly heap: number
  /** From the least of the first samples to the least of the last: allocators give back late, but they do. */
  readonly resident: number
}

/** @param each connections between two samples */
export function growthOf(samples: readonly MemoryReport[], each: number): Growth {
  const heaps = samples.slice(1).map(({ heap }, index) => heap - (samples[index] as MemoryReport).heap)
  const some = Math.max(1, Math.floor(samples.length / 3))
  const least = (part: readonly MemoryReport[]) => Math.min(...part.map(({ resident }) => resident))
  const grown = least(samples.slice(-some)) - least(samples.slice(0, some))
  return { heap: median(heaps) / each, resident: grown / (each * (samples.length - some)) }
}
