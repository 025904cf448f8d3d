import { closeCodes } from '../protocol/close-codes.ts'
import type { Backend } from './backend.ts'
import type { ConnectionReuse } from './connection-reuse.ts'
import type { Log } from './log.ts'
import { PacedClose, type PacedCloseHost } from './paced-close.ts'

/** How long something that was begun before may take to become a tunnel to a backend that has left. */
const lateComers = 15_000

interface DeparturesHost extends PacedCloseHost {
  readonly log: Log
  readonly reuse: Pick<ConnectionReuse, 'closeOf'>
  readonly snapshot: {
    readonly config: { readonly timeouts: { readonly drain: number; readonly halfClosed: number } }
  }
}

/** Those that left at one time, whose tunnels are closed over one window. */
interface Departure {
  readonly backends: Set<Backend>
  readonly close: PacedClose
  readonly since: number
}

/**
 * Backends that are in no pool any more: their tunnels are closed one by one over `timeouts.drain` with 1012, and
 * their record is forgotten once nothing is left. One that comes back before is taken back as it was.
 */
export class Departures {
  readonly #host: DeparturesHost
  readonly #forget: (backend: Backend) => void
  readonly #departures = new Set<Departure>()

  /** @param forget is told of each one that has gone for good */
  constructor(host: DeparturesHost, forget: (backend: Backend) => void) {
    this.#host = host
    this.#forget = forget
  }

  /** Other backends are in the pools from now on. */
  update(before: ReadonlySet<Backend>, after: ReadonlySet<Backend>): void {
    for (const backend of after) {
      if (!backend.present) this.#takeBack(backend)
      backend.present = true
    }
    const left = [...before].filter((backend) => !after.has(backend))
    if (left.length > 0) this.#leave(left)
  }

  stop(): void {
    for (const { close } of this.#departures) close.stop()
    this.#departures.clear()
  }

  #takeBack(backend: Backend): void {
    for (const departure of this.#departures) {
      if (!departure.backends.delete(backend) || departure.backends.size > 0) continue
      departure.close.stop()
      this.#departures.delete(departure)
    }
  }

  #leave(left: readonly Backend[]): void {
    const { reuse, snapshot, timers, log } = this.#host
    const { drain, halfClosed } = snapshot.config.timeouts
    const backends = new Set(left)
    for (const backend of left) {
      backend.present = false
      reuse.closeOf(backend)
      const { address, connections } = backend
      log.info(
        { event: 'backend.left', backend: address, connections },
        `backend ${address} is in no pool any more`,
      )
    }
    const close = new PacedClose(this.#host, {
      code: closeCodes.restart,
      over: drain,
      patience: halfClosed,
      concerns: ({ backend }) => backends.has(backend),
      onStep: () => this.#look(departure),
    })
    const departure: Departure = { backends, close, since: timers.now() }
    this.#departures.add(departure)
  }

  /** Forgets who is empty; true when nobody is left. */
  #look(departure: Departure): boolean {
    const { backends, since } = departure
    if (this.#host.timers.now() - since < lateComers) return false
    for (const backend of [...backends]) {
      if (backend.load > 0) continue
      backends.delete(backend)
      this.#forget(backend)
    }
    if (backends.size > 0) return false
    this.#departures.delete(departure)
    return true
  }
}
