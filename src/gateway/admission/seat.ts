import type { ClientAccount } from '../../core/admission/client-ledger.ts'
import type { FairQueue, Place } from '../../core/admission/fair-queue.ts'
import { Timer } from '../../core/timer-wheel.ts'
import type { Backend } from '../backend.ts'
import type { Failure } from '../failure.ts'
import type { Snapshot } from '../snapshot.ts'
import type { WaitingRoom } from './waiting-room.ts'

/** Who wants a seat: an upgrade. */
export interface Applicant {
  /** Name of its pool. */
  readonly poolName: string
  /** Why its dial failed, if it waits for another backend because of that. */
  readonly setback: Failure | null
  /** Who it is for, for limits and turns; null: a client of its own, without limits. */
  clientKey(): string | null
  /** Asks the policy: a backend with room; or milliseconds until one may have; or null, there is none at all. */
  choose(): Backend | number | null
  /** Whether no backend could serve it even if all had room. */
  hopeless(): boolean
  /** The configuration has changed while it waits: the failure if it is not served any more. */
  reroute(snapshot: Snapshot): Failure | null
  /** It has a seat at this backend, after it has waited. */
  seated(backend: Backend): void
  /** It has waited and gets none; the seat is free already. */
  refused(failure: Failure): void
}

/** Where seats are counted. */
interface SeatHost {
  release(seat: Seat): void
  expired(seat: Seat): void
  /** A seat of some backend is free. */
  wake(): void
}

/**
 * The right to one WebSocket connection, or the wait for it: from an upgrade's arrival to the end of its tunnel. It
 * has one owner, first the upgrade, then the tunnel, who frees it.
 */
export class Seat {
  /** The pool in which it counts, or is going to. */
  room: WaitingRoom<Seat>
  /** Null when clients have no limits. */
  readonly account: ClientAccount | null
  /** Where it counts; null while it waits and once it is free. */
  backend: Backend | null = null
  /** Null but while it waits. */
  wait: Wait | null = null
  readonly #host: SeatHost
  #free = false

  constructor(host: SeatHost, room: WaitingRoom<Seat>, account: ClientAccount | null) {
    this.#host = host
    this.room = room
    this.account = account
  }

  /**
   * The connection is tried at another backend.
   * @param now as of the gateway's clock
   */
  moveTo(backend: Backend, now: number): void {
    const before = this.backend
    this.backend = backend
    backend.seats.take(now)
    if (before === null) return
    before.seats.free()
    this.#host.wake()
  }

  /** The wait or the connection is over. Harmless when it was free already. */
  free(): void {
    if (this.#free) return
    this.#free = true
    this.#host.release(this)
  }

  expired(): void {
    this.#host.expired(this)
  }
}

/** What a seat needs only while it waits. */
export class Wait {
  readonly applicant: Applicant
  readonly client: string | null
  readonly timer: Timer<Seat>
  /** Which of those of the room. */
  queue: FairQueue<Seat>
  place: Place<Seat>

  constructor(seat: Seat, applicant: Applicant, client: string | null, queue: FairQueue<Seat>) {
    this.applicant = applicant
    this.client = client
    this.queue = queue
    this.place = queue.enter(seat, client)
    this.timer = new Timer<Seat>(seat, onDeadline)
  }
}

function onDeadline(seat: Seat): void {
  seat.expired()
}
