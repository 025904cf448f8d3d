import type { FoundAddress, Lookup } from './lookup.ts'

/** By family. */
type Known = readonly (readonly FoundAddress[])[]

/** Finds the addresses of names, and remembers the last good ones of each name that is still asked for. */
export class AddressBook {
  readonly #lookup: Pick<Lookup, 'addresses'>
  #known: ReadonlyMap<string, Known> = new Map()

  constructor(lookup: Pick<Lookup, 'addresses'>) {
    this.#lookup = lookup
  }

  /**
   * The addresses of each name, and for how many seconds all of them may be believed. A name, or a family of
   * addresses, that cannot be found out now has those of the last time.
   * Rejects when names were asked for and nothing is known of any.
   */
  async find(
    names: readonly string[],
  ): Promise<{ found: ReadonlyMap<string, readonly string[]>; ttl: number }> {
    const known = new Map<string, Known>()
    let failure: unknown
    await Promise.all(
      [...new Set(names)].map(async (name) => {
        const before = this.#known.get(name)
        try {
          const families = await this.#lookup.addresses(name)
          known.set(
            name,
            families.map((family, index) => family ?? before?.[index] ?? []),
          )
        } catch (error) {
          failure = error
          if (before !== undefined) known.set(name, before)
        }
      }),
    )
    if (failure !== undefined && (known.size === 0 || names.length === 1)) throw failure
    this.#known = known
    const found = new Map(
      [...known].map(([name, families]) => [name, families.flat().map(({ address }) => address)]),
    )
    const ttls = [...known.values()].flat(2).map(({ ttl }) => ttl)
    return { found, ttl: failure === undefined ? Math.min(...ttls) : 0 }
  }
}
