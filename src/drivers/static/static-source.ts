import type { DiscoveredBackend, DiscoverySink, DiscoverySource } from '../../gateway/discovery.ts'

/** Backends as a program says them: `replace` whenever they change. */
export class StaticSource implements DiscoverySource {
  #backends: readonly DiscoveredBackend[] | null
  #problem = 'no list was given yet'
  #sink: DiscoverySink | null = null

  /** @param backends without them none are known until `replace` */
  constructor(backends: readonly DiscoveredBackend[] | null = null) {
    this.#backends = backends
  }

  start(sink: DiscoverySink): void {
    this.#sink = sink
    queueMicrotask(() => this.#tell())
  }

  stop(): void {
    this.#sink = null
  }

  /** These are all there is from now on. */
  replace(backends: readonly DiscoveredBackend[]): void {
    this.#backends = backends
    this.#tell()
  }

  /** It is not known at the moment; what was said last stays in force. */
  fail(reason: string): void {
    this.#backends = null
    this.#problem = reason
    this.#tell()
  }

  #tell(): void {
    if (this.#backends === null) this.#sink?.failed(this.#problem)
    else this.#sink?.found(this.#backends)
  }
}
