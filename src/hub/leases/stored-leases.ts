import { randomBytes } from 'node:crypto'
import type { NodeFacts } from '../cluster.ts'
import { unavailable } from '../cluster-error.ts'
import type { LeaseEntry, LeaseTable } from './lease-table.ts'

/** One entry of a store. */
export interface StoredCell {
  /** Null when there is none (any more). */
  readonly text: string | null
  /** Changes with every write; to be given with the next one. */
  readonly revision: number
  /** Greater than every incarnation that was given under this id and is not in `text`. */
  readonly floor: number
}

/** What `StoredLeases` needs of a store that can compare and set: a text by node id. Every method is one atomic step. */
export interface LeaseStore {
  start(patience: number): Promise<void>
  read(id: string): Promise<StoredCell>
  /** The new revision; null, and nothing written, when another one than `revision` stands there. */
  write(id: string, text: string, revision: number): Promise<number | null>
  /** Removes the entry when `revision` stands there; `incarnation` is what it held. */
  remove(id: string, revision: number, incarnation: number): Promise<void>
  /** All that there is, never older than the call. */
  list(): Promise<readonly string[]>
  /** May be called twice. */
  close(): Promise<void>
}

interface Held {
  readonly incarnation: number
  readonly beat: number
  readonly revision: number
}

interface Stored extends LeaseEntry {
  /** Whose it is. One whose answer was lost finds its own entry, and must not take it for another process's. */
  readonly holder: string
}

/** Of one id only few write at once, so one of them gets through soon. */
const attempts = 16

/**
 * Leases over any store that can compare and set. A beat is one step: the revision of the last one is remembered.
 *
 * An answer may be lost. So what stands there may be this process's own without its knowing, and is never taken for
 * another's.
 */
export class StoredLeases implements LeaseTable {
  readonly #store: LeaseStore
  readonly #holder = randomBytes(9).toString('base64url')
  #held: Held | null = null
  /** One that is late is waited for again, and not made twice. */
  #acquiring: Promise<number | null> | null = null
  /** An incarnation that was given and not beaten for yet: whoever asked may have stopped waiting before. */
  #fresh: number | null = null

  constructor(store: LeaseStore) {
    this.#store = store
  }

  start(patience: number): Promise<void> {
    return this.#store.start(patience)
  }

  acquire(facts: NodeFacts, after: number | null): Promise<number | null> {
    this.#acquiring ??= this.#acquire(facts, after).finally(() => {
      this.#acquiring = null
    })
    return this.#acquiring
  }

  async beat(facts: NodeFacts, incarnation: number): Promise<'held' | 'expired' | 'replaced'> {
    let held = this.#held?.incarnation === incarnation ? this.#held : null
    this.#fresh = null
    for (let attempt = 0; attempt < attempts; attempt++) {
      if (held === null) {
        const { text, revision } = await this.#store.read(facts.id)
        const there = storedOf(text)
        if (there === null || there.closed) return 'expired'
        const own = there.holder === this.#holder
        // A smaller one is of a store that was set back: nobody has taken the place.
        if (!own && there.node.incarnation >= incarnation) return 'replaced'
        if (!own || there.node.incarnation !== incarnation) return 'expired'
        held = { incarnation, beat: there.beat, revision }
      }
      if (await this.#write(facts, { ...held, beat: held.beat + 1 }, false)) return 'held'
      held = null
      this.#held = null
    }
    throw contended()
  }

  async list(): Promise<readonly LeaseEntry[]> {
    const texts = await this.#store.list()
    return texts.flatMap((text) => storedOf(text) ?? [])
  }

  async expire({ node, beat }: LeaseEntry): Promise<void> {
    const { text, revision } = await this.#store.read(node.id)
    const there = storedOf(text)
    if (there?.node.incarnation !== node.incarnation || there.beat !== beat) return
    await this.#store.remove(node.id, revision, node.incarnation)
  }

  async release(id: string, incarnation: number): Promise<void> {
    this.#fresh = null
    for (let attempt = 0; attempt < attempts; attempt++) {
      const { text, revision } = await this.#store.read(id)
      const there = storedOf(text)
      if (there === null || there.closed || there.node.incarnation !== incarnation) return
      if (await this.#write(there.node, { incarnation, beat: there.beat + 1, revision }, true)) return
    }
    throw contended()
  }

  close(): Promise<void> {
    return this.#store.close()
  }

  async #acquire(facts: NodeFacts, after: number | null): Promise<number | null> {
    const [fresh, held] = [this.#fresh, this.#held]
    this.#fresh = null
    // A second life of a node that has just begun its first would be told to all others.
    if (fresh !== null && held?.incarnation === fresh && fresh > (after ?? 0)) {
      if (await this.#write(facts, { ...held, beat: held.beat + 1 }, false)) return this.#given(fresh)
    }
    for (let attempt = 0; attempt < attempts; attempt++) {
      const { text, revision, floor } = await this.#store.read(facts.id)
      const there = storedOf(text)
      const last = there?.node.incarnation ?? 0
      const taken = there !== null && !there.closed && there.holder !== this.#holder
      if (after !== null && taken && last > after) return null
      const incarnation = Math.max(floor, last + 1, (after ?? 0) + 1)
      if (await this.#write(facts, { incarnation, beat: 1, revision }, false)) return this.#given(incarnation)
    }
    throw contended()
  }

  #given(incarnation: number): number {
    this.#fresh = incarnation
    return incarnation
  }

  async #write(facts: NodeFacts, { incarnation, beat, revision }: Held, closed: boolean): Promise<boolean> {
    const { id, address, state, connections } = facts
    const holder = this.#holder
    const text = JSON.stringify({ id, incarnation, beat, closed, holder, address, state, connections })
    const written = await this.#store.write(id, text, revision)
    if (written !== null) this.#held = { incarnation, beat, revision: written }
    return written !== null
  }
}

function contended() {
  return unavailable('others write the lease of this id all the time')
}

/** Null for nothing, and for what somebody else has written there. */
function storedOf(text: string | null): Stored | null {
  if (text === null) return null
  try {
    const { id, incarnation, beat, closed, holder, address, state, connections } = JSON.parse(text)
    if (typeof id !== 'string' || !Number.isSafeInteger(incarnation) || !Number.isSafeInteger(beat))
      return null
    if (typeof closed !== 'boolean' || (state !== 'active' && state !== 'draining')) return null
    if (typeof connections !== 'number' || (address !== null && typeof address !== 'string')) return null
    return { node: { id, incarnation, address, state, connections }, beat, closed, holder }
  } catch {
    return null
  }
}
