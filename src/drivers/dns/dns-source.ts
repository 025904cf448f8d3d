import { jitter } from '../../core/jitter.ts'
import type { DiscoveredBackend, DiscoverySink, DiscoverySource } from '../../gateway/discovery.ts'
import { AddressBook } from './address-book.ts'
import { Lookup } from './lookup.ts'
import { type ChosenService, chosenServices } from './services.ts'

export interface DnsOptions {
  /** A host and the port of its backends, or the name of a service. */
  readonly ask: { readonly host: string; readonly port: number } | { readonly service: string }
  /** Milliseconds from an answer to the next question: what its TTL says, within these bounds. */
  readonly interval: { readonly min: number; readonly max: number }
  /** IP addresses of name servers; without any, those of the system. */
  readonly servers: readonly string[]
}

/**
 * Backends from A and AAAA records, or from SRV records and the addresses of their targets. A name that is unknown, a
 * name without records and a server that fails say nothing, since names vanish by mistake more often than services
 * do; the one way to say that there is nobody is an SRV record with the target '.' (RFC 2782).
 */
export class DnsSource implements DiscoverySource {
  readonly #options: DnsOptions
  readonly #lookup: Lookup
  readonly #book: AddressBook
  #sink: DiscoverySink | null = null
  #timer: ReturnType<typeof setTimeout> | null = null
  #failures = 0

  /** @throws when a server is no IP address */
  constructor(options: DnsOptions) {
    this.#options = options
    this.#lookup = new Lookup(options.servers)
    this.#book = new AddressBook(this.#lookup)
  }

  start(sink: DiscoverySink): void {
    this.#sink = sink
    void this.#ask()
  }

  stop(): void {
    this.#sink = null
    if (this.#timer !== null) clearTimeout(this.#timer)
    this.#lookup.cancel()
  }

  async #ask(): Promise<void> {
    const wait = await this.#find().then(
      ({ backends, ttl }) => {
        this.#failures = 0
        this.#sink?.found(backends)
        return this.#bounded(ttl * 1000)
      },
      (error: Error) => {
        this.#sink?.failed(error.message)
        return this.#bounded(this.#options.interval.min * 2 ** Math.min(this.#failures++, 16))
      },
    )
    if (this.#sink === null) return
    this.#timer = setTimeout(() => void this.#ask(), jitter(wait, Math.random()))
    this.#timer.unref()
  }

  async #find(): Promise<{ backends: readonly DiscoveredBackend[]; ttl: number }> {
    const { ask } = this.#options
    this.#lookup.forget()
    const all = 'host' in ask ? [{ ...ask, weight: 1 }] : await this.#services(ask.service)
    const { found, ttl } = await this.#book.find(all.map(({ host }) => host))
    const backends = new Map<string, DiscoveredBackend>()
    for (const { host, port, weight } of all) {
      for (const ip of found.get(host) ?? []) {
        const address = ip.includes(':') ? `[${ip}]:${port}` : `${ip}:${port}`
        if (!backends.has(address)) backends.set(address, { address, weight })
      }
    }
    return { backends: [...backends.values()], ttl }
  }

  async #services(name: string): Promise<ChosenService[]> {
    const services = await this.#lookup.services(name)
    const chosen = chosenServices(services)
    if (chosen !== null) return chosen
    throw new Error(`${name}: every record has port 0`)
  }

  #bounded(milliseconds: number): number {
    const { min, max } = this.#options.interval
    return Math.min(Math.max(milliseconds, min), max)
  }
}
