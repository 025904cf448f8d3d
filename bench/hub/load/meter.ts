import { type CpuReading, cpuBetween, readCpu, readMachineCpu } from '../../proc.ts'
import type { CpuShares, Watched } from '../job.ts'

/** Everyone's CPU time from its making on. */
export class Meter {
  readonly #watched: Watched
  readonly #machine = readMachineCpu()
  readonly #cpu: readonly CpuReading[]
  readonly #start: number

  constructor(watched: Watched) {
    this.#watched = watched
    this.#cpu = this.#readAll()
    this.#start = performance.now()
  }

  get elapsedMs(): number {
    return performance.now() - this.#start
  }

  finish(): CpuShares {
    const seconds = this.elapsedMs / 1000
    const [nodesCpuNs, brokerCpuNs, loadCpuNs] = this.#readAll().map((now, i) =>
      cpuBetween(this.#cpu[i]!, now),
    ) as [number, number, number]
    return { seconds, nodesCpuNs, brokerCpuNs, loadCpuNs, machineCpuNs: readMachineCpu() - this.#machine }
  }

  #readAll(): CpuReading[] {
    return [this.#watched.nodePids, this.#watched.brokerPids, [process.pid]].map(readCpu)
  }
}
