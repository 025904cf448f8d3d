import { backoff } from '../../core/backoff.ts'
import { type Clock, systemClock } from '../clock.ts'
import type { BusEvents, ClusterOptions } from '../cluster.ts'
import { unavailable } from '../cluster-error.ts'

/** How a driver reaches its broker. */
export interface LinkWay<C> {
  /** The technology, for log lines and errors. */
  readonly name: string
  /**
   * Makes everything anew. Rejects when that fails, having closed what it made.
   * @param lost called when what was made is lost, also before this resolves; more than once changes nothing
   */
  connect(lost: (reason: string) => void): Promise<C>
}

/** What a part of a driver has to say about the link. */
export interface LinkPart<C> {
  /** Of the bus only: it is told what changes. */
  readonly events?: BusEvents
  /** Puts everything that the part needs in force, before it is used there. May reject: then it is lost. */
  attach(circuit: C): Promise<void>
  /** It is used from now on. */
  stand?(circuit: C): void
  /** It is lost. */
  detach?(): void
}

interface Member<C> {
  readonly part: LinkPart<C> | null
  /** Where `attach` has succeeded. */
  attachedTo: C | null
  /** Of `open`, until it is settled. */
  waiting: { resolve: () => void; reject: (error: Error) => void } | null
}

/** Its timers keep the process alive, as the connection does that they stand for. */
const wakefulClock: Clock = {
  ...systemClock,
  after(delay, fire) {
    const timer = setTimeout(fire, delay)
    return () => clearTimeout(timer)
  },
}

/**
 * What the parts of one node share: the way to the broker, made anew as a whole when any of it is lost, so that there
 * are two states only: everything is in force, or the link is down.
 */
export class BrokerLink<C extends { close(): void }> {
  readonly options: ClusterOptions
  readonly #way: LinkWay<C>
  readonly #clock: Clock
  readonly #random: () => number
  /** By the part that was opened. */
  readonly #members = new Map<object, Member<C>>()
  /** Whether the bus has been told that it stands, or that it does not: from then on it is told what changes. */
  #announced: 'nothing' | 'up' | 'down' = 'nothing'
  /** In use. */
  #circuit: C | null = null
  /** To be used once every part is attached. */
  #coming: C | null = null
  #connecting = false
  /** Attempts since the link last stood for a beat. */
  #attempts = 0
  #standsSince = 0
  /** Why the last attempt failed; empty when it did not. */
  #failure = ''
  /** Whether the log says that it is not connected. */
  #saidSo = false
  #endWait: () => void = () => {}

  /** @param random from 0 to below 1 */
  constructor(way: LinkWay<C>, options: ClusterOptions, clock: Clock = wakefulClock, random = Math.random) {
    this.options = options
    this.#way = way
    this.#clock = clock
    this.#random = random
  }

  /** @throws FairleadError CLUSTER_UNAVAILABLE */
  get current(): C {
    if (this.#circuit === null) throw unavailable(`not connected to ${this.#way.name}`)
    return this.#circuit
  }

  get up(): boolean {
    return this.#circuit !== null
  }

  /** Connects for one more part. Rejects after `patience`, and goes on trying then. */
  open(user: object, patience: number, part: LinkPart<C> | null = null): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    const giveUp = this.#clock.after(patience, () => {
      const reason = `not connected within ${patience} ms${this.#failure === '' ? '' : `: ${this.#failure}`}`
      if (part?.events !== undefined) this.#announce('down', reason)
      member.waiting?.reject(unavailable(`${this.#way.name} cannot be reached: ${reason}`))
    })
    const settled = () => {
      giveUp()
      member.waiting = null
    }
    const member: Member<C> = {
      part,
      attachedTo: null,
      waiting: {
        resolve() {
          settled()
          resolve()
        },
        reject(error) {
          settled()
          reject(error)
        },
      },
    }
    this.#members.set(user, member)
    if (this.#circuit === null) void this.#connect()
    else void this.#join(member, this.#circuit)
    return promise
  }

  /** Ends with the last part that used it. */
  close(user: object): void {
    const member = this.#members.get(user)
    this.#members.delete(user)
    member?.waiting?.reject(unavailable('closed'))
    if (this.#members.size > 0) return
    this.#attempts = 0
    this.#endWait()
    this.#coming?.close()
    this.#circuit?.close()
    this.#circuit = null
  }

  /** Gives up what stands, and makes it anew. */
  reconnect(reason: string): void {
    if (this.#circuit !== null) this.#lose(this.#circuit, reason)
  }

  async #connect(): Promise<void> {
    if (this.#connecting) return
    this.#connecting = true
    while (this.#members.size > 0 && this.#circuit === null) {
      // The first of all attempts is made at once.
      if (this.#attempts > 0) await this.#wait()
      if (this.#members.size === 0) break
      this.#attempts += 1
      await this.#try()
    }
    this.#connecting = false
    // Closed and opened again, while an attempt was under way.
    if (this.#members.size > 0 && this.#circuit === null) void this.#connect()
  }

  async #try(): Promise<void> {
    const fate: { circuit: C | null; lost: string | null } = { circuit: null, lost: null }
    try {
      const circuit = await this.#way.connect((reason) => {
        fate.lost ??= reason
        if (fate.circuit !== null) this.#lose(fate.circuit, reason)
      })
      fate.circuit = circuit
      this.#coming = circuit
      await this.#attachAll(circuit)
      if (fate.lost !== null) throw unavailable(fate.lost)
      if (this.#members.size > 0) this.#stand(circuit)
      else circuit.close()
    } catch (error) {
      fate.circuit?.close()
      const isFirst = this.#failure === ''
      this.#failure = messageOf(error)
      if (!isFirst || this.#members.size === 0) return
      this.#saidSo = true
      this.options.log.warn({ reason: this.#failure }, `${this.#way.name} cannot be reached`)
    } finally {
      this.#coming = null
    }
  }

  /** Also those that are opened meanwhile. */
  async #attachAll(circuit: C): Promise<void> {
    for (;;) {
      const missing = [...this.#members.values()].filter(({ attachedTo }) => attachedTo !== circuit)
      if (missing.length === 0) return
      await Promise.all(missing.map((member) => this.#attach(member, circuit)))
    }
  }

  async #attach(member: Member<C>, circuit: C): Promise<void> {
    await member.part?.attach(circuit)
    member.attachedTo = circuit
  }

  #stand(circuit: C): void {
    this.#circuit = circuit
    this.#standsSince = this.#clock.now()
    this.#failure = ''
    const { name } = this.#way
    if (this.#saidSo) this.options.log.info({ event: `${name.toLowerCase()}.up` }, `${name} is reached`)
    this.#saidSo = false
    for (const member of this.#members.values()) {
      if (member.attachedTo === circuit) this.#serve(member, circuit)
      else void this.#join(member, circuit)
    }
  }

  /** A part that comes when the others are there. */
  async #join(member: Member<C>, circuit: C): Promise<void> {
    try {
      await this.#attach(member, circuit)
      if (this.#circuit === circuit) this.#serve(member, circuit)
    } catch (error) {
      this.#lose(circuit, messageOf(error))
    }
  }

  #serve({ part, waiting }: Member<C>, circuit: C): void {
    part?.stand?.(circuit)
    if (part?.events !== undefined) this.#announce('up', '')
    waiting?.resolve()
  }

  #lose(circuit: C, reason: string): void {
    if (this.#circuit !== circuit) return
    this.#circuit = null
    // One that falls as soon as it stands is not tried at once again and again.
    if (this.#clock.now() - this.#standsSince >= this.options.lease.beat) this.#attempts = 1
    circuit.close()
    for (const member of this.#members.values()) {
      member.attachedTo = null
      member.part?.detach?.()
    }
    this.#saidSo = true
    this.options.log.warn({ reason }, `the connection to ${this.#way.name} is lost`)
    if (this.#announced !== 'nothing') this.#announce('down', reason)
    void this.#connect()
  }

  #wait(): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>()
    const delay = backoff(this.#attempts - 1, 50, this.options.lease.beat, this.#random())
    const cancel = this.#clock.after(delay, resolve)
    this.#endWait = () => {
      cancel()
      resolve()
    }
    return promise
  }

  /** Never from inside a method of the bus. */
  #announce(state: 'up' | 'down', reason: string): void {
    const before = this.#announced
    if (before === state) return
    this.#announced = state
    // The first connection is told by `start`.
    if (before === 'nothing' && state === 'up') return
    queueMicrotask(() => {
      // A bus that is closed is told nothing any more.
      for (const { part } of this.#members.values()) {
        if (state === 'up') part?.events?.up()
        else part?.events?.down(reason)
      }
    })
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
