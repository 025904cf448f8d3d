import { FairleadError } from '../core/errors.ts'
import { within } from './deadline.ts'
import type { DiscoverConfig } from './discover-options.ts'
import type { DiscoverySource } from './discovery.ts'
import type { Log } from './log.ts'
import type { GatewayConfig, PoolConfig } from './options.ts'
import { type Found, Watched } from './watched-source.ts'

/** How long a start or a reload waits for what a new source has to say, in milliseconds. */
const patience = 5000

/**
 * Makes the source that a pool asks for.
 * @throws FairleadError `CONFIG_INVALID` when there is no such source
 */
export type OpenSource = (config: DiscoverConfig) => DiscoverySource

/** The sources of all pools. Pools that ask for the same share one. */
export class Discoveries {
  readonly #open: OpenSource
  readonly #log: Log
  readonly #changed: () => void
  #sources: ReadonlyMap<string, Watched> = new Map()
  #staged: ReadonlyMap<string, Watched> = new Map()
  /** The source of each pool, by name: of those that count, and of those that were staged. */
  #asked: ReadonlyMap<string, string> = new Map()
  #toAsk: ReadonlyMap<string, string> = new Map()
  /** What a pool had before it asked a source that has not found anything out yet. */
  #kept: ReadonlyMap<string, Found> = new Map()
  #stopped = false
  /** Whether `changed` was called and nobody has asked what is there now. */
  #news = false

  /** @param changed a source that counts found something else than before; again once `over` was asked */
  constructor(open: OpenSource, log: Log, changed: () => void) {
    this.#open = open
    this.#log = log
    this.#changed = changed
  }

  /**
   * Starts the sources that a configuration asks for and that do not run yet, and waits for what they say first, but
   * not for ever. They count from the next `commit` on.
   * @throws FairleadError `CONFIG_INVALID`
   */
  async stage(config: GatewayConfig): Promise<void> {
    this.discard()
    const staged = new Map<string, Watched>()
    const toAsk = new Map<string, string>()
    for (const [name, { discover }] of Object.entries(config.pools)) {
      if (discover === undefined) continue
      const key = keyOf(discover)
      toAsk.set(name, key)
      const known = this.#sources.get(key) ?? staged.get(key)
      staged.set(key, known ?? new Watched(describe(discover), this.#source(name, discover), this.#log))
    }
    this.#staged = staged
    this.#toAsk = toAsk
    const fresh = [...staged.values()].filter((source) => !source.started)
    for (const source of fresh) source.start(() => this.#told(source))
    if (fresh.length > 0) await within(patience, Promise.all(fresh.map(({ answered }) => answered)))
  }

  /** What was staged counts; the sources that it does not ask for are stopped. */
  commit(): void {
    const before = this.#sources
    this.#kept = new Map([...this.#toAsk.keys()].map((pool) => [pool, this.#known(pool)]))
    this.#sources = this.#staged
    this.#asked = this.#toAsk
    this.#staged = new Map()
    this.#toAsk = new Map()
    const kept = new Set(this.#sources.values())
    for (const source of before.values()) if (!kept.has(source)) source.stop()
    if (this.#stopped) this.stop()
  }

  /** What was staged is not wanted. */
  discard(): void {
    const kept = new Set(this.#sources.values())
    for (const source of this.#staged.values()) if (!kept.has(source)) source.stop()
    this.#staged = new Map()
    this.#toAsk = new Map()
  }

  stop(): void {
    this.#stopped = true
    this.discard()
    for (const source of this.#sources.values()) source.stop()
  }

  /** The configuration with what was found; the same object when it asks for nothing. */
  over(config: GatewayConfig): GatewayConfig {
    this.#news = false
    const pools = Object.entries(config.pools)
    if (pools.every(([, { discover }]) => discover === undefined)) return config
    return {
      ...config,
      pools: Object.fromEntries(pools.map(([name, pool]) => [name, this.#filled(name, pool)])),
    }
  }

  /** What the configuration names goes before what was found. */
  #filled(name: string, pool: PoolConfig): PoolConfig {
    if (pool.discover === undefined) return pool
    const key = keyOf(pool.discover)
    const found = (this.#staged.get(key) ?? this.#sources.get(key))?.found ?? this.#known(name)
    const named = new Set(pool.backends.map(({ address }) => address))
    return { ...pool, backends: [...pool.backends, ...found.filter(({ address }) => !named.has(address))] }
  }

  /** What the pool of this name has now: asking elsewhere is no reason to lose it before there is an answer. */
  #known(pool: string): Found {
    return this.#sources.get(this.#asked.get(pool) ?? '')?.found ?? this.#kept.get(pool) ?? []
  }

  #told(source: Watched): void {
    if (this.#news || ![...this.#sources.values()].includes(source)) return
    this.#news = true
    this.#changed()
  }

  #source(pool: string, discover: DiscoverConfig): DiscoverySource {
    try {
      return this.#open(discover)
    } catch (error) {
      const message = `pools.${pool}.discover: ${error instanceof Error ? error.message : error}`
      throw new FairleadError('CONFIG_INVALID', message, { source: 'config', retryable: false, cause: error })
    }
  }
}

function keyOf(discover: DiscoverConfig): string {
  return JSON.stringify(discover)
}

/** As told to people. */
function describe(discover: DiscoverConfig): string {
  if ('file' in discover) return discover.file
  if ('dns' in discover) return `${discover.dns.host}:${discover.dns.port}`
  return 'srv' in discover ? discover.srv : discover.source
}
