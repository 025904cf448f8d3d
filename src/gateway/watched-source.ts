import { same } from '../core/share.ts'
import type { DiscoveredBackend, DiscoverySource } from './discovery.ts'
import type { Log } from './log.ts'
import { type PoolConfig, parseBackendAddress } from './options.ts'

/** As many as a pool may name. */
const mostBackends = 10_000

/** Backends as a pool names them. */
export type Found = PoolConfig['backends']

/** One source: what it found last, which stays while it fails, and what is logged about it. */
export class Watched {
  /** Resolves when it has said something. */
  readonly answered: Promise<void>
  readonly #name: string
  readonly #source: DiscoverySource
  readonly #log: Log
  #found: Found | null = null
  #answer: () => void = () => {}
  #problem: string | null = null
  #started = false
  #stopped = false
  #changed: () => void = () => {}

  /** @param name as told to people */
  constructor(name: string, source: DiscoverySource, log: Log) {
    this.#name = name
    this.#source = source
    this.#log = log
    this.answered = new Promise((resolve) => {
      this.#answer = resolve
    })
  }

  get started(): boolean {
    return this.#started
  }

  /** In the order of their addresses, so that an answer in another order is the same; null while nothing was found out. */
  get found(): Found | null {
    return this.#found
  }

  /** @param changed something else was found than before */
  start(changed: () => void): void {
    this.#started = true
    this.#changed = changed
    this.#source.start({
      found: (backends) => this.#take(backends),
      failed: (reason) => this.#fail(reason),
    })
  }

  stop(): void {
    this.#stopped = true
    this.#source.stop()
    this.#answer()
  }

  #take(backends: readonly DiscoveredBackend[]): void {
    if (this.#stopped) return
    const taken = check(backends)
    if (typeof taken === 'string') {
      this.#fail(taken)
      return
    }
    if (this.#problem !== null) {
      this.#problem = null
      this.#log.info({ event: 'discovery.recovered', source: this.#name }, `${this.#name} can be asked again`)
    }
    const before = this.#found
    if (before === null || !same(before, taken)) {
      this.#found = taken
      this.#log.info(
        {
          event: 'discovery.changed',
          source: this.#name,
          backends: taken.length,
          before: before?.length ?? 0,
        },
        `${this.#name} now names ${taken.length} backends`,
      )
      this.#changed()
    }
    this.#answer()
  }

  /** Once for each reason: a source that goes on failing would say it every second. */
  #fail(reason: string): void {
    if (this.#stopped) return
    this.#answer()
    if (reason === this.#problem) return
    this.#problem = reason
    const kept = this.#found?.length ?? 0
    const stay = kept === 0 ? '' : `, the ${kept} of before stay`
    this.#log.warn(
      { event: 'discovery.failed', source: this.#name, reason, kept },
      `what backends there are could not be found out${stay}: ${reason}`,
    )
  }
}

/** What was found, as a pool names its backends; or what is wrong with it, types included: programs tell it, too. */
function check(backends: readonly DiscoveredBackend[]): Found | string {
  if (!Array.isArray(backends)) return `found ${kindOf(backends)}, expected a list of { address, weight }`
  if (backends.length > mostBackends)
    return `found ${backends.length} backends, expected at most ${mostBackends}`
  const found = new Map<string, Found[number]>()
  for (const backend of backends as readonly (Partial<DiscoveredBackend> | null)[]) {
    const { address, weight = Number.NaN } = backend ?? {}
    if (typeof address !== 'string')
      return `found ${kindOf(backend)} without an address in a list, expected { address, weight }`
    const target = parseBackendAddress(address)
    const valid = Number.isInteger(weight) && weight >= 0 && weight <= 256
    if (target === undefined)
      return `found the address ${JSON.stringify(address)}, expected host:port or unix:/path`
    if (!valid)
      return `found the weight ${backend?.weight} of ${address}, expected a whole number from 0 to 256`
    found.set(address, Object.freeze({ address, target: Object.freeze(target), weight }))
  }
  return [...found.values()].sort((a, b) => (a.address < b.address ? -1 : 1))
}

function kindOf(value: unknown): string {
  if (value === null || value === undefined) return 'nothing'
  return typeof value === 'string'
    ? JSON.stringify(value.slice(0, 60))
    : `a value of the type ${typeof value}`
}
