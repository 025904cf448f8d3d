import { readdirSync, readFileSync } from 'node:fs'

/** CPU time so far of each live thread, in nanoseconds, by `pid/tid`. */
export type CpuReading = ReadonlyMap<string, number>

/**
 * Reads the time on CPU of every thread of the processes, from `/proc/PID/task/TID/schedstat` (nanoseconds, where
 * `/proc/PID/stat` counts in steps of 10 ms). A process that has ended contributes nothing.
 */
export function readCpu(pids: readonly number[]): CpuReading {
  const reading = new Map<string, number>()
  for (const pid of pids) {
    for (const tid of listThreads(pid)) {
      const text = readOrEmpty(`/proc/${pid}/task/${tid}/schedstat`)
      if (text !== '') reading.set(`${pid}/${tid}`, Number(text.slice(0, text.indexOf(' '))))
    }
  }
  return reading
}

/**
 * Nanoseconds on CPU between two readings. Threads born in between count in full; what a thread that ended in
 * between used is lost, which is why the peers are warmed up first.
 */
export function cpuBetween(before: CpuReading, after: CpuReading): number {
  let total = 0
  for (const [thread, nanoseconds] of after) total += nanoseconds - (before.get(thread) ?? 0)
  return total
}

/** Nanoseconds that all cores together have been busy, or lent to another guest of the host, since the machine started. */
export function readMachineCpu(): number {
  const line = readOrEmpty('/proc/stat').split('\n')[0]!
  const [user, nice, system, , , irq, softirq, steal] = line.trim().split(/\s+/).slice(1).map(Number)
  const ticks = user! + nice! + system! + irq! + softirq! + steal!
  return ticks * 10_000_000
}

/** Resident bytes of the processes together. `smaps_rollup` is exact, `statm` lags by some pages per CPU. */
export function readResidentBytes(pids: readonly number[]): number {
  let total = 0
  for (const pid of pids) {
    const match = /^Rss:\s+(\d+) kB$/m.exec(readOrEmpty(`/proc/${pid}/smaps_rollup`))
    if (match !== null) total += Number(match[1]) * 1024
  }
  return total
}

/** The most resident bytes that each of the processes ever had, together. */
export function readPeakBytes(pids: readonly number[]): number {
  let total = 0
  for (const pid of pids) {
    const match = /^VmHWM:\s+(\d+) kB$/m.exec(readOrEmpty(`/proc/${pid}/status`))
    if (match !== null) total += Number(match[1]) * 1024
  }
  return total
}

/** The process and everything below it. */
export function listProcessTree(pid: number): number[] {
  const tree = [pid]
  for (const tid of listThreads(pid)) {
    for (const child of readOrEmpty(`/proc/${pid}/task/${tid}/children`).split(' ')) {
      if (child !== '') tree.push(...listProcessTree(Number(child)))
    }
  }
  return tree
}

function listThreads(pid: number): string[] {
  try {
    return readdirSync(`/proc/${pid}/task`)
  } catch {
    return []
  }
}

function readOrEmpty(path: string): string {
  try {
    return readFileSync(path, 'latin1')
  } catch {
    return ''
  }
}
