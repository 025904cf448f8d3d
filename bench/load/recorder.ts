import type { Window, WindowResult } from '../job.ts'
import { type CpuReading, cpuBetween, readCpu, readMachineCpu } from '../proc.ts'
import { percentile } from '../statistics.ts'

const capacity = 1 << 20

/** On a machine that is busy with other things, the measured time goes on until this many units are complete. */
const leastUnits = 100
const longestMs = 10_000

/** Counts units between the two ends of the measured time and reads everyone's CPU at exactly these moments. */
export class Recorder {
  #units = 0
  #running = false
  readonly #window: Window
  readonly #latencies = new Float64Array(capacity)

  constructor(window: Window) {
    this.#window = window
  }

  /** One unit is complete; it began at this time of `performance.now()`. */
  count(beganAt: number): void {
    if (!this.#running) return
    if (this.#units < capacity) this.#latencies[this.#units] = performance.now() - beganAt
    this.#units++
  }

  /** Waits for the warm-up, then measures; meanwhile the caller's connections do the work. */
  async measure(): Promise<WindowResult> {
    await sleep(this.#window.warmMs)
    const machine = readMachineCpu()
    const cpu = this.#readAll()
    const start = performance.now()
    this.#running = true
    do await sleep(this.#window.measureMs)
    while (this.#units < leastUnits && performance.now() - start < longestMs)
    this.#running = false
    const seconds = (performance.now() - start) / 1000
    const [proxyCpuNs, backendCpuNs, loadCpuNs] = this.#readAll().map((now, i) => cpuBetween(cpu[i]!, now))
    const machineCpuNs = readMachineCpu() - machine
    const sorted = this.#latencies.slice(0, Math.min(this.#units, capacity)).sort()
    return {
      units: this.#units,
      seconds,
      proxyCpuNs: proxyCpuNs!,
      backendCpuNs: backendCpuNs!,
      loadCpuNs: loadCpuNs!,
      machineCpuNs,
      p50Us: percentile(sorted, 0.5) * 1000,
      p99Us: percentile(sorted, 0.99) * 1000,
    }
  }

  #readAll(): CpuReading[] {
    return [this.#window.proxyPids, [this.#window.backendPid], [process.pid]].map(readCpu)
  }
}

function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms))
}
