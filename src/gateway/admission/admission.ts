import { type ClientAccount, ClientLedger, type ClientRefusal } from '../../core/admission/client-ledger.ts'
import { retryAfterSeconds } from '../../core/admission/retry-after.ts'
import { TokenBucket } from '../../core/admission/token-bucket.ts'
import { Timer } from '../../core/timer-wheel.ts'
import type { Backend } from '../backend.ts'
import type { GatewayEmitter } from '../events.ts'
import type { Failure } from '../failure.ts'
import type { Log } from '../log.ts'
import type { GatewayConfig } from '../options.ts'
import type { Snapshot } from '../snapshot.ts'
import type { Timers } from '../timers.ts'
import { type Applicant, Seat, Wait } from './seat.ts'
import { tellLevel } from './tell-level.ts'
import { WaitingRoom } from './waiting-room.ts'

/** What admission needs of its gateway. */
interface AdmissionHost {
  readonly timers: Timers
  readonly log: Log
  readonly events: GatewayEmitter
}

/** How often clients without connections are looked through for those who need not be remembered. */
const sweepInterval = 10_000

/** Milliseconds after which it may help to come back when a client has as many connections as it may have. */
const clientCapPause = 5000

/** Clients of a room whose turn is passed on because what they can still be tried at has no room. */
const mostSkips = 8

/**
 * Who gets a seat, who waits for one, and who is refused. Seats are counted for the gateway, each pool, each backend
 * and each client; whoever waits is in the room of its pool, and the rooms take turns at what the whole gateway may
 * still take.
 */
export class Admission {
  /** Upgrades under way and live tunnels. */
  used = 0
  readonly #host: AdmissionHost
  readonly #rooms = new Map<string, WaitingRoom<Seat>>()
  /** Rooms in which somebody waits. */
  #crowded: WaitingRoom<Seat>[] = []
  /** Whose turn it is among them. */
  #turn = 0
  #cap = Number.POSITIVE_INFINITY
  #bucket: TokenBucket | null = null
  readonly #clients = new ClientLedger({ maxConnections: Number.POSITIVE_INFINITY, rate: null })
  #limitsClients = false
  readonly #sweep = new Timer<Admission>(this, sweep)
  /** Whether somebody waits for a seat or a token of the whole gateway, so that nobody may come before. */
  #exhausted = false
  /** Whether a dispatch is about to come. */
  #awake = false
  #run = 0
  #alarm: ReturnType<typeof setTimeout> | null = null
  #stopped = false

  constructor(host: AdmissionHost, config: GatewayConfig) {
    this.#host = host
    this.#configure(config)
  }

  /** Infinity: no cap. */
  get cap(): number {
    return this.#cap
  }

  /** Upgrades that wait, in all rooms. */
  get waiting(): number {
    let sum = 0
    for (const { queue } of this.#crowded) sum += queue.size
    return sum
  }

  /** Clients that are remembered because of their connections or their rate. */
  get clients(): number {
    return this.#clients.size
  }

  room(pool: string): WaitingRoom<Seat> {
    let room = this.#rooms.get(pool)
    if (room === undefined) {
      room = new WaitingRoom<Seat>(pool)
      this.#rooms.set(pool, room)
    }
    return room
  }

  /** Another configuration counts from now on, also for those who wait. Those who are in stay. */
  reconfigure(snapshot: Snapshot): void {
    this.#configure(snapshot.config)
    const waiting: Seat[] = []
    for (const { queue } of this.#crowded) {
      for (let seat = queue.next(); seat !== null; seat = queue.next()) waiting.push(seat)
    }
    this.#crowded = []
    for (const seat of waiting) {
      const { applicant, client } = seat.wait as Wait
      const failure = applicant.reroute(snapshot)
      seat.room = this.room(applicant.poolName)
      ;(seat.wait as Wait).place = this.#queue(seat, client)
      if (failure !== null) this.#refuse(seat, failure)
    }
    for (const room of this.#rooms.values()) this.#assess(room)
    this.wake()
  }

  /** A seat, taken or waited for (then its `backend` is null and the applicant is told later), or why there is none. */
  enter(applicant: Applicant): Seat | Failure {
    let account: ClientAccount | null = null
    let client: string | null | undefined
    if (this.#limitsClients) {
      client = applicant.clientKey()
      const opened = client === null ? null : this.#clients.open(client, this.#host.timers.now())
      if (opened !== null && 'reason' in opened) return refusalOf(opened)
      account = opened
    }
    const room = this.room(applicant.poolName)
    const seat = new Seat(this, room, account)
    const free = room.queue.size === 0 && room.used < room.cap && !this.#exhausted && this.#pause() === 0
    const chosen = free ? applicant.choose() : Number.POSITIVE_INFINITY
    if (chosen === null || (!free && room.queue.size === 0 && applicant.hopeless())) {
      seat.free()
      return noBackend(room)
    }
    if (typeof chosen !== 'number') {
      this.#take(seat, chosen)
      return seat
    }
    if (client === undefined) client = applicant.clientKey()
    return this.#wait(seat, applicant, client, room.timeout) ?? seat
  }

  /**
   * The dial of a seat has failed and the backends that are left have no room: it waits again.
   * @param milliseconds of its time that are left
   * @returns false when it may not; then nothing has happened
   */
  reenter(seat: Seat, applicant: Applicant, milliseconds: number): boolean {
    if (seat.room.queue.full || this.#stopped) return false
    this.#vacate(seat)
    this.#wait(seat, applicant, applicant.clientKey(), milliseconds)
    // What it had may be what somebody else waits for.
    this.wake()
    return true
  }

  /** Something has changed by which somebody who waits may get a seat, or can never get one. */
  wake(): void {
    if (this.#awake || this.#crowded.length === 0 || this.#stopped) return
    this.#awake = true
    // Not at once: the many ends of one moment are one reason to look, and nobody is called while calling us.
    queueMicrotask(() => this.#dispatch())
  }

  /** Nobody is given a seat any more. */
  stop(): void {
    this.#stopped = true
    this.#setAlarm(null)
    this.#host.timers.cancel(this.#sweep)
  }

  /** Called by `Seat.free`, once. */
  release(seat: Seat): void {
    this.#unqueue(seat)
    this.#vacate(seat)
    if (seat.account !== null) {
      const { timers } = this.#host
      this.#clients.close(seat.account, timers.now())
      const resting = this.#clients.resting > 0 && !this.#stopped
      if (resting && !this.#sweep.scheduled) timers.schedule(this.#sweep, sweepInterval)
    }
    this.wake()
  }

  expired(seat: Seat): void {
    this.#refuse(seat, seat.room.refusal('WAITED_TOO_LONG', this.#host.timers.now()))
  }

  sweep(): void {
    const { timers } = this.#host
    this.#clients.sweep(timers.now())
    if (this.#clients.resting > 0) timers.schedule(this.#sweep, sweepInterval)
  }

  #configure({ admission, pools }: GatewayConfig): void {
    const { maxConnections, maxConnectionsPerClient, rate, ratePerClient } = admission
    this.#cap = maxConnections ?? Number.POSITIVE_INFINITY
    if (rate === undefined) this.#bucket = null
    else if (this.#bucket === null) this.#bucket = new TokenBucket(rate)
    else this.#bucket.rule = rate
    this.#limitsClients = maxConnectionsPerClient !== undefined || ratePerClient !== undefined
    this.#clients.limits = {
      maxConnections: maxConnectionsPerClient ?? Number.POSITIVE_INFINITY,
      rate: ratePerClient ?? null,
    }
    for (const [name, { maxConnections: cap, waitingRoom }] of Object.entries(pools)) {
      this.room(name).configure(waitingRoom, cap ?? Number.POSITIVE_INFINITY)
    }
    for (const [name, { used, queue }] of this.#rooms) {
      if (!(name in pools) && used === 0 && queue.size === 0) this.#rooms.delete(name)
    }
  }

  /** Milliseconds until the gateway as a whole may take another one; Infinity: when a seat is freed. */
  #pause(): number {
    if (this.used >= this.#cap) return Number.POSITIVE_INFINITY
    return this.#bucket === null ? 0 : this.#bucket.wait(this.#host.timers.now())
  }

  #take(seat: Seat, backend: Backend): void {
    this.#bucket?.take(this.#host.timers.now())
    this.used++
    seat.room.used++
    seat.moveTo(backend)
  }

  #vacate(seat: Seat): void {
    if (seat.backend === null) return
    seat.backend.seats.free()
    seat.backend = null
    seat.room.used--
    this.used--
  }

  /** Gives a seat a place in its room; or says why not, with the seat freed. */
  #wait(seat: Seat, applicant: Applicant, client: string | null, milliseconds: number): Failure | null {
    const { room } = seat
    const { queue } = room
    if (queue.full) {
      const full = room.refusal('WAITING_ROOM_FULL', this.#host.timers.now())
      const yielding = queue.yielding(client)
      if (yielding === null) {
        seat.free()
        return full
      }
      this.#refuse(yielding.item, full)
    }
    const place = this.#queue(seat, client)
    seat.wait = new Wait(seat, applicant, client, place)
    this.#host.timers.schedule(seat.wait.timer, milliseconds)
    this.#assess(room)
    // For those before it everything was looked at already.
    if (room.queue.size === 1) this.wake()
    return null
  }

  #queue(seat: Seat, client: string | null) {
    const { room } = seat
    if (room.queue.size === 0) this.#crowded.push(room)
    return room.queue.enter(seat, client)
  }

  /** Takes a seat out of its room. */
  #unqueue(seat: Seat): void {
    const { wait, room } = seat
    if (wait === null) return
    seat.wait = null
    this.#host.timers.cancel(wait.timer)
    room.queue.leave(wait.place)
    if (room.queue.size === 0) {
      this.#crowded.splice(this.#crowded.indexOf(room), 1)
      if (this.#crowded.length === 0) this.#exhausted = false
    }
    this.#assess(room)
  }

  #refuse(seat: Seat, failure: Failure): void {
    const applicant = seat.wait?.applicant
    seat.free()
    applicant?.refused(failure)
  }

  /** Seats whoever can be seated now, the rooms taking turns, and sets the alarm for the next token. */
  #dispatch(): void {
    this.#awake = false
    if (this.#stopped) return
    this.#run++
    this.#exhausted = false
    let soonest = Number.POSITIVE_INFINITY
    for (let idle = 0; idle < this.#crowded.length; ) {
      const pause = this.#pause()
      if (pause > 0) {
        this.#exhausted = true
        soonest = Math.min(soonest, pause)
        break
      }
      this.#turn = this.#turn < this.#crowded.length ? this.#turn : 0
      const room = this.#crowded[this.#turn++] as WaitingRoom<Seat>
      const wait = room.stuckIn === this.#run ? Number.POSITIVE_INFINITY : this.#seatOne(room)
      idle = wait === 0 ? 0 : idle + 1
      if (wait > 0) room.stuckIn = this.#run
      soonest = Math.min(soonest, wait === 0 ? Number.POSITIVE_INFINITY : wait)
    }
    this.#setAlarm(this.#crowded.length > 0 && soonest !== Number.POSITIVE_INFINITY ? soonest : null)
  }

  /** 0 when somebody left the room; else milliseconds until somebody may, Infinity when a seat has to be freed. */
  #seatOne(room: WaitingRoom<Seat>): number {
    if (room.used >= room.cap) return Number.POSITIVE_INFINITY
    let soonest = Number.POSITIVE_INFINITY
    for (let skips = 0; skips <= mostSkips; skips++) {
      const seat = room.queue.peek()
      if (seat === null) return 0
      const { applicant } = seat.wait as Wait
      const chosen = applicant.choose()
      if (chosen === null) {
        if (applicant.setback === null) this.#dismiss(room)
        else this.#refuse(seat, applicant.setback)
        return 0
      }
      if (typeof chosen !== 'number') {
        room.queue.skip()
        this.#unqueue(seat)
        room.served(this.#host.timers.now())
        this.#take(seat, chosen)
        applicant.seated(chosen)
        return 0
      }
      soonest = Math.min(soonest, chosen)
      // For everybody else it is the same; one that was set back just has fewer backends to hope for.
      if (applicant.setback === null) break
      room.queue.skip()
    }
    return soonest
  }

  /** Nobody there is left who could serve them: those who wait are told now. */
  #dismiss(room: WaitingRoom<Seat>): void {
    for (let seat = room.queue.peek(); seat !== null; seat = room.queue.peek()) {
      this.#refuse(seat, seat.wait?.applicant.setback ?? noBackend(room))
    }
  }

  #setAlarm(milliseconds: number | null): void {
    if (this.#alarm !== null) clearTimeout(this.#alarm)
    this.#alarm = null
    if (milliseconds === null) return
    // Not the timer wheel: its ticks of 50 ms would let through at once what is to come evenly.
    const delay = Math.min(Math.max(1, Math.ceil(milliseconds)), 2 ** 31 - 1)
    this.#alarm = setTimeout(() => {
      this.#alarm = null
      this.wake()
    }, delay)
  }

  #assess(room: WaitingRoom<Seat>): void {
    if (room.assess()) tellLevel(this.#host, room)
  }
}

function sweep(admission: Admission): void {
  admission.sweep()
}

function noBackend({ name }: WaitingRoom<Seat>): Failure {
  return { code: 'NO_BACKEND', message: `pool ${name} has no backend for this connection` }
}

function refusalOf({ reason, wait }: ClientRefusal): Failure {
  return reason === 'rate'
    ? {
        code: 'CLIENT_RATE',
        message: 'this client opens connections too fast',
        retryAfter: retryAfterSeconds(wait, Math.random()),
      }
    : {
        code: 'CLIENT_LIMIT',
        message: 'this client has as many connections as it may have',
        retryAfter: retryAfterSeconds(clientCapPause, Math.random()),
      }
}
