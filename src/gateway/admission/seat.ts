import type { ClientAccount } from '../../core/admission/client-ledger.ts'
import type { Place } from '../../core/admission/fair-queue.ts'
import { Timer } from '../../core/timer-wheel.ts'
import type { Backend } from '../backend.ts'
import type { Failure } from '../failure.ts'
import type { WaitingRoom } from './waiting-room.ts'

/** Who wants a seat: an upgrade. */
export interface Applicant {
  /** Name of its pool. */
  readonly poolName: string
  /** Who it is for, for limits and turns; null: a client of its own, without limits. */
  readonly clientKey: string | null
  /** The failure of the dial that sent it back to wait for another backend, if that is why it waits. */
  readonly setback: Failure | null
  /** Asks the policy: a backend with room; or milliseconds until one may have; or null, there is none at all. */
  choose(): Backend | number | null
  /** Whether no backend could serve it even if all had room. */
  hopeless(): boolean
  /** It has a seat at this backend after it has waited. */
  seated(backend: Backend): void
  /** It gets none; the seat is free already. */
  refused(failure: Failure): void
}

/** Where seats are counted. */
export interface SeatHost {
  /** Takes it at a backend. */
  take(seat: Seat, backend: Backend): void
  /** Gives it back. */
  release(seat: Seat): void
  /** It has waited for as long as it may. */
  expired(seat: Seat): void
}

/**
 * The right to one WebSocket connection, or the wait for it: from an upgrade's arrival to the end of its tunnel. It
 * has one owner, first the upgrade, then the tunnel, who frees it.
 */
export class Seat {
  readonly room: WaitingRoom
  /** Null when clients have no limits. */
  readonly account: ClientAccount | null
  /** Where it counts; null while it waits and once it is free. */
  backend: Backend | null = null
  /** Null but while it waits. */
  wait: Wait | null = null
  readonly #host: SeatHost
  #free = false

  constructor(host: SeatHost, room: WaitingRoom, account: ClientAccount | null) {
    this.#host = host
    this.room = room
    this.account = account
  }

  /** The connection is tried at another backend. */
  moveTo(backend: Backend): void {
    this.backend?.seats.free()
    this.backend = backend
    backend.seats.take()
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
  readonly since: number
  readonly timer: Timer<Seat>
  place: Place<Seat> | null = null

  constructor(seat: Seat, applicant: Applicant, since: number) {
    this.applicant = applicant
    this.since = since
    this.timer = new Timer<Seat>(seat, onDeadline)
  }
}

function onDeadline(seat: Seat): void {
  seat.expired()
}
