import type { Clock } from '../clock.ts'
import type { ClusterLog, LeaseTimes, NodeFacts, NodeRecord, Registry, RegistryEvents } from '../cluster.ts'
import { unavailable } from '../cluster-error.ts'
import type { LeaseTable } from './lease-table.ts'
import { emptyView, type LeaseChange, type LeaseView, observeLeases } from './observe-leases.ts'

/** Between two beats that `changed` asks for, and between two looks that `refresh` asks for. */
const atMostEvery = 100

type Phase = 'new' | 'acquiring' | 'held' | 'replaced' | 'closed'

/**
 * The registry over any store that can compare and set. It looks three times a beat and does one thing at a time;
 * what is late by a beat counts as a store that is away.
 */
export class LeaseRegistry implements Registry {
  readonly #table: LeaseTable
  readonly #times: LeaseTimes
  readonly #clock: Clock
  readonly #log: ClusterLog
  #facts: () => NodeFacts = () => {
    throw new Error('not started')
  }
  #events: RegistryEvents | null = null
  #phase: Phase = 'new'
  #self: NodeRecord | null = null
  /** The last incarnation that was held. */
  #last: number | null = null
  #view: LeaseView = emptyView
  #beatAt = 0
  #lookedAt = Number.NEGATIVE_INFINITY
  #lookSoon = false
  #down = false
  /** No beat has got through for `dead`: the others may have let the lease end. */
  #doubtful = false
  #cancelDoubt: () => void = () => {}
  /** Whether the lease that is held has been told. */
  #announced = false
  #working: Promise<void> | null = null
  #failure = ''
  #cancel: (() => void) | null = null
  #firstHeld: ((self: NodeRecord) => void) | null = null
  #refuseStart: () => void = () => {}

  constructor(table: LeaseTable, times: LeaseTimes, clock: Clock, log: ClusterLog) {
    this.#table = table
    this.#times = times
    this.#clock = clock
    this.#log = log
  }

  start(facts: () => NodeFacts, events: RegistryEvents, patience: number): Promise<NodeRecord> {
    if (this.#phase !== 'new') return Promise.reject(unavailable('the registry is closed'))
    this.#facts = facts
    this.#events = events
    this.#phase = 'acquiring'
    return new Promise((resolve, reject) => {
      const giveUp = this.#clock.after(patience, () => {
        this.#firstHeld = null
        const reason = `no lease within ${patience} ms${this.#failure === '' ? '' : `: ${this.#failure}`}`
        reject(unavailable(reason))
        this.#fail(reason)
      })
      this.#firstHeld = (self) => {
        giveUp()
        resolve(self)
      }
      this.#refuseStart = () => {
        giveUp()
        reject(unavailable('the registry was closed before it held a lease'))
      }
      this.#table.start(patience).then(
        () => this.#schedule(0),
        () => this.#schedule(0),
      )
    })
  }

  changed(): void {
    if (this.#phase !== 'held') return
    const due = this.#beatAt - this.#times.beat + atMostEvery
    this.#beatAt = Math.min(this.#beatAt, Math.max(due, this.#clock.now()))
    if (this.#working === null) this.#schedule(Math.max(0, this.#beatAt - this.#clock.now()))
  }

  refresh(): void {
    // Before the store is connected no look is due that could come sooner.
    if (this.#cancel === null || this.#down) return
    if (this.#working !== null) this.#lookSoon = true
    else this.#schedule(Math.max(0, this.#lookedAt + atMostEvery - this.#clock.now()))
  }

  nodes(): readonly NodeRecord[] {
    if (this.#phase === 'new') return []
    const others = [...this.#view.nodes.values()].filter(({ state }) => state !== 'left')
    const incarnation = this.#self?.incarnation ?? this.#last ?? 0
    return [{ ...this.#facts(), incarnation }, ...others.map(({ entry }) => entry.node)]
  }

  async close(): Promise<void> {
    if (this.#phase === 'closed') return
    const held = this.#phase === 'held' ? this.#self : null
    this.#phase = 'closed'
    this.#events = null
    this.#cancel?.()
    this.#cancelDoubt()
    if (this.#firstHeld !== null) this.#refuseStart()
    this.#firstHeld = null
    if (held !== null) await this.#giveBack(held.id, held.incarnation)
    // One that is being taken is given back there, as soon as it is known.
    else if (this.#working !== null) await this.#within(this.#working).catch(() => {})
    await this.#table.close()
  }

  async #giveBack(node: string, incarnation: number): Promise<void> {
    await this.#within(this.#table.release(node, incarnation)).catch(() => {
      this.#log.warn({ node }, 'the lease could not be given back: others see it end in time')
    })
  }

  #schedule(delay: number): void {
    this.#cancel?.()
    if (this.#phase === 'closed') return
    this.#cancel = this.#clock.after(delay, () => {
      this.#working = this.#work().then(() => {
        this.#working = null
        this.#next()
      })
    })
  }

  async #work(): Promise<void> {
    this.#lookedAt = this.#clock.now()
    this.#lookSoon = false
    try {
      await this.#hold()
      if (this.#phase === 'closed') return
      await this.#look()
      this.#announce()
      this.#recover()
    } catch (error) {
      this.#failure = error instanceof Error ? error.message : String(error)
      this.#fail(this.#failure)
    }
  }

  #next(): void {
    const look = this.#times.beat / 3
    if (this.#down) {
      this.#schedule(look)
      return
    }
    const untilBeat = this.#phase === 'held' ? this.#beatAt - this.#clock.now() : look
    this.#schedule(Math.max(0, Math.min(this.#lookSoon ? atMostEvery : look, untilBeat)))
  }

  /** Takes the lease, or beats when a beat is due. */
  async #hold(): Promise<void> {
    if (this.#phase === 'acquiring') return this.#acquire()
    if (this.#phase !== 'held' || this.#self === null || this.#clock.now() < this.#beatAt) return
    const { incarnation } = this.#self
    const now = this.#clock.now()
    const found = await this.#within(this.#table.beat(this.#facts(), incarnation))
    // Only now: one that failed is due again at once, so that a store that is back hears of this node first.
    this.#beatAt = now + this.#times.beat
    if (this.#phase !== 'held') return
    if (found === 'held') {
      this.#heldAt(now)
      return
    }
    this.#cancelDoubt()
    this.#doubtful = false
    this.#self = null
    this.#last = incarnation
    this.#phase = found === 'replaced' ? 'replaced' : 'acquiring'
    this.#events?.lost(found)
    if (this.#phase === 'acquiring') await this.#acquire()
  }

  async #acquire(): Promise<void> {
    const facts = this.#facts()
    const now = this.#clock.now()
    const incarnation = await this.#within(this.#table.acquire(facts, this.#last))
    if (this.#phase !== 'acquiring') {
      if (incarnation !== null) await this.#giveBack(facts.id, incarnation)
      return
    }
    if (incarnation === null) {
      this.#phase = 'replaced'
      this.#events?.lost('replaced')
      return
    }
    this.#phase = 'held'
    this.#self = { ...facts, incarnation }
    this.#announced = false
    this.#beatAt = this.#clock.now() + this.#times.beat
    this.#heldAt(now)
  }

  /** Once the nodes that are there have been told. */
  #announce(): void {
    if (this.#announced || this.#phase !== 'held' || this.#self === null) return
    this.#announced = true
    const resolve = this.#firstHeld
    this.#firstHeld = null
    if (resolve === null) this.#events?.regained(this.#self)
    else resolve(this.#self)
  }

  /** The lease was held when something was sent at `sentAt` or later. Nobody lets it end within `dead` after that. */
  #heldAt(sentAt: number): void {
    this.#doubtful = false
    this.#cancelDoubt()
    this.#cancelDoubt = this.#clock.after(sentAt + this.#times.dead - this.#clock.now(), () => {
      if (this.#phase !== 'held') return
      this.#doubtful = true
      this.#fail(`no beat within ${this.#times.dead} ms`)
      this.#events?.doubted()
    })
  }

  async #look(again = false): Promise<void> {
    const listed = await this.#within(this.#table.list())
    const { view, changes } = observeLeases(
      this.#view,
      listed,
      this.#clock.now(),
      this.#times,
      this.#facts().id,
    )
    if (this.#phase === 'closed') return
    this.#view = view
    for (const change of changes) this.#tell(change)
    const expired = changes.filter((change) => change.kind === 'expire')
    if (expired.length === 0) return
    for (const { entry } of expired) await this.#within(this.#table.expire(entry))
    // What could be removed is seen missing at once; what could not has beaten, and is seen by the next look.
    if (!again) await this.#look(true)
  }

  #tell(change: LeaseChange): void {
    if (change.kind === 'expire') return
    if (change.kind === 'left') this.#events?.left(change.node, change.why)
    else this.#events?.[change.kind](change.node)
  }

  #fail(reason: string): void {
    if (this.#down || this.#phase === 'closed' || this.#firstHeld !== null) return
    this.#down = true
    this.#events?.down(reason)
  }

  #recover(): void {
    if (!this.#down || this.#doubtful) return
    this.#down = false
    this.#events?.up()
  }

  /** The store has one beat to answer. */
  #within<T>(work: Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      const limit = this.#times.beat
      const cancel = this.#clock.after(limit, () => reject(unavailable(`no answer within ${limit} ms`)))
      work.then(
        (value) => {
          cancel()
          resolve(value)
        },
        (error: unknown) => {
          cancel()
          reject(error)
        },
      )
    })
  }
}
