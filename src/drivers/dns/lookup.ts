import { Resolver } from 'node:dns/promises'
import { isIP } from 'node:net'

/** An address and for how many seconds it may be believed. */
export interface FoundAddress {
  readonly address: string
  readonly ttl: number
}

export interface FoundService {
  /** A host name; `''` when the service is decidedly not available here (RFC 2782). */
  readonly name: string
  readonly port: number
  readonly priority: number
  readonly weight: number
}

/** Milliseconds that one server gets to answer. */
const patience = 1000

/** Asks name servers, and only them: no hosts file, no search list. */
export class Lookup {
  readonly #servers: readonly string[]
  #resolver: Resolver

  /**
   * @param servers IP addresses, with or without a port; without any, those of the system
   * @throws when one is no IP address
   */
  constructor(servers: readonly string[]) {
    this.#servers = servers
    this.#resolver = this.#open()
  }

  /** Forgets every answer: Bun's resolver goes on giving one for as long as its TTL says, hours if need be. */
  forget(): void {
    this.#resolver = this.#open()
  }

  /** Gives up everything under way. */
  cancel(): void {
    this.#resolver.cancel()
  }

  /**
   * The IPv4 and the IPv6 addresses of a name, each family for itself: null for one that could not be found out.
   * Rejects when neither could be, or when there are none at all.
   */
  async addresses(name: string): Promise<readonly (readonly FoundAddress[] | null)[]> {
    if (isIP(name) !== 0) return [[{ address: name, ttl: Number.POSITIVE_INFINITY }]]
    const families = await Promise.allSettled([
      this.#resolver.resolve4(name, { ttl: true }),
      this.#resolver.resolve6(name, { ttl: true }),
    ])
    const found = families.map((family) => {
      if (family.status === 'fulfilled') return family.value
      return saysNothing(family.reason) ? [] : null
    })
    if (found.some((family) => family !== null && family.length > 0)) return found
    const failed = families.find((family, index) => family.status === 'rejected' && found[index] === null)
    throw new Error(`${name}: ${reasonOf(((failed ?? families[0]) as PromiseRejectedResult).reason)}`)
  }

  /** Rejects when it could not be found out, or when there are none. */
  async services(name: string): Promise<readonly FoundService[]> {
    try {
      const found = await this.#resolver.resolveSrv(name)
      if (found.length > 0) return found
    } catch (error) {
      throw new Error(`${name}: ${reasonOf(error)}`)
    }
    throw new Error(`${name}: there is no such record`)
  }

  #open(): Resolver {
    const resolver = new Resolver({ timeout: patience, tries: 2 })
    if (this.#servers.length > 0) resolver.setServers(this.#servers)
    return resolver
  }
}

/** A server that knows the name, and that it has no such record. */
function saysNothing(error: unknown): boolean {
  return ['ENODATA', 'ENOTFOUND'].includes((error as { code?: string }).code ?? '')
}

function reasonOf(error: unknown): string {
  const code = (error as { code?: string } | undefined)?.code ?? ''
  return reasons[code.replace('DNS_', '')] ?? `the lookup failed (${code || String(error)})`
}

const reasons: Readonly<Record<string, string>> = {
  ENODATA: 'there is no such record',
  ENOTFOUND: 'there is no such name',
  ESERVFAIL: 'the name server failed',
  ETIMEOUT: 'no name server answered in time',
  ECONNREFUSED: 'no name server could be reached',
  EREFUSED: 'the name server refused to answer',
}
