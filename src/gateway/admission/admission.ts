import { type ClientAccount, ClientLedger, type ClientRefusal } from '../../core/admission/client-ledger.ts'
import type { FairQueue } from '../../core/admission/fair-queue.ts'
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

/**
 * Of those who were set back in a room so many are looked at in a dispatch, each of whom may wait for other backends;
 * if there are more, there is another dispatch for them soon, in milliseconds.
 */
const mostLooks = 32
const nextLooks = 10

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
  /** Rooms in which somebody waits; another array when one is empty. */
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
  #alarm: unknown = null
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
    for (const room of this.#crowded) sum += room.waiting
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
    for (const { queue, setBack } of this.#crowded) {
      for (let seat = setBack.next(); seat !== null; seat = setBack.next()) waiting.push(seat)
      for (let seat = queue.next(); seat !== null; seat = queue.next()) waiting.push(seat)
    }
    this.#crowded = []
    for (const seat of waiting) {
      const { wait } = seat
      // Whoever was told of somebody before it has sent it away.
      if (wait === null) continue
      const { applicant, client } = wait
      const failure = applicant.reroute(snapshot)
      seat.room = this.room(applicant.poolName)
      this.#crowd(seat.room)
      wait.queue = applicant.setback === null ? seat.room.queue : seat.room.setBack
      wait.place = wait.queue.enter(seat, client)
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
    const free = room.waiting === 0 && room.used < room.cap && !this.#exhausted && this.#pause() === 0
    const chosen = free ? applicant.choose() : Number.POSITIVE_INFINITY
    if (chosen === null || (!free && room.waiting === 0 && applicant.hopeless())) {
      seat.free()
      return noBackend(room.name)
    }
    if (typeof chosen !== 'number') {
      this.#take(seat, chosen)
      return seat
    }
    if (client === undefined) client = applicant.clientKey()
    return this.#apply(seat, applicant, client) ?? seat
  }

  /**
   * The dial of a seat has failed and the backends that are left have no room: it waits again.
   * @param milliseconds of its time that are left
   * @returns false when it may not; then nothing has happened
   */
  reenter(seat: Seat, applicant: Applicant, milliseconds: number): boolean {
    const { room } = seat
    if (room.full || this.#stopped) return false
    this.#vacate(seat)
    this.#crowd(room)
    // Each on its own: two of one client may wait for different backends.
    this.#wait(seat, new Wait(seat, applicant, null, room.setBack), milliseconds)
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
    for (const [name, { used, waiting }] of this.#rooms) {
      if (!(name in pools) && used === 0 && waiting === 0) this.#rooms.delete(name)
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
    seat.moveTo(backend, this.#host.timers.now())
  }

  #vacate(seat: Seat): void {
    if (seat.backend === null) return
    seat.backend.seats.free()
    seat.backend = null
    seat.room.used--
    this.used--
  }

  /** Gives a seat a place in its room; or says why not, with the seat freed. */
  #apply(seat: Seat, applicant: Applicant, client: string | null): Failure | null {
    const { room } = seat
    const { queue } = room
    if (room.full) {
      const full = room.refusal('WAITING_ROOM_FULL', this.#host.timers.now())
      const yielding = queue.yielding(client)
      if (yielding === null) {
        seat.free()
        return full
      }
      this.#refuse(yielding.item, full)
    }
    this.#crowd(room)
    this.#wait(seat, new Wait(seat, applicant, client, queue), room.timeout)
    // For those before it everything was looked at already, and what has no room for them has none for it.
    if (queue.size === 1) this.wake()
    return null
  }

  #wait(seat: Seat, wait: Wait, milliseconds: number): void {
    seat.wait = wait
    this.#host.timers.schedule(wait.timer, milliseconds)
    this.#assess(seat.room)
  }

  /** Somebody is about to wait there. */
  #crowd(room: WaitingRoom<Seat>): void {
    if (room.waiting === 0) this.#crowded.push(room)
  }

  /** Takes a seat out of its room. */
  #unqueue(seat: Seat): void {
    const { wait, room } = seat
    if (wait === null) return
    seat.wait = null
    this.#host.timers.cancel(wait.timer)
    wait.queue.leave(wait.place)
    if (room.waiting === 0) {
      this.#crowded = this.#crowded.filter((other) => other !== room)
      if (this.#crowded.length === 0) {
        this.#exhausted = false
        this.#setAlarm(null)
      }
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
        for (const room of this.#crowded) this.#dismissHopeless(room)
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
    if (room.used >= room.cap) return this.#dismissHopeless(room) ? 0 : Number.POSITIVE_INFINITY
    const { setBack, queue } = room
    let soonest = setBack.size > mostLooks ? nextLooks : Number.POSITIVE_INFINITY
    // They came first, and each may have other backends to hope for.
    for (let looks = Math.min(setBack.size, mostLooks); looks > 0; looks--) {
      const wait = this.#seatNext(room, setBack)
      if (wait === 0) return 0
      soonest = Math.min(soonest, wait)
      setBack.skip()
    }
    // For everybody else it is the same as for the first.
    return queue.size === 0 ? soonest : Math.min(soonest, this.#seatNext(room, queue))
  }

  /** The same for the next one of a queue in which somebody waits. */
  #seatNext(room: WaitingRoom<Seat>, queue: FairQueue<Seat>): number {
    const seat = queue.peek() as Seat
    const { applicant } = seat.wait as Wait
    const chosen = applicant.choose()
    if (typeof chosen === 'number') return chosen
    if (chosen !== null) {
      queue.skip()
      this.#unqueue(seat)
      room.served(this.#host.timers.now())
      this.#take(seat, chosen)
      applicant.seated(chosen)
    } else this.#dismiss(seat)
    return 0
  }

  /** Where nobody may be seated now: whether somebody was told that there is nobody left to wait for. */
  #dismissHopeless({ queue, setBack }: WaitingRoom<Seat>): boolean {
    const seat = queue.peek() ?? setBack.peek()
    if (seat?.wait?.applicant.hopeless() !== true) return false
    this.#dismiss(seat)
    return true
  }

  /** Nobody there is left who could serve it, and, unless that is because others have failed it, anybody else there. */
  #dismiss(first: Seat): void {
    const { queue, setBack, name } = first.room
    const setback = first.wait?.applicant.setback ?? null
    if (setback !== null) {
      this.#refuse(first, setback)
      return
    }
    for (const all of [queue, setBack]) {
      for (let seat = all.peek(); seat !== null; seat = all.peek()) {
        this.#refuse(seat, seat.wait?.applicant.setback ?? noBackend(name))
      }
    }
  }

  #setAlarm(milliseconds: number | null): void {
    const { environment } = this.#host.timers
    if (this.#alarm !== null) environment.clearAlarm(this.#alarm)
    this.#alarm = null
    if (milliseconds === null) return
    // Not the timer wheel: its ticks of 50 ms would let through at once what is to come evenly.
    const delay = Math.min(Math.max(1, Math.ceil(milliseconds)), 2 ** 31 - 1)
    this.#alarm = environment.setAlarm(() => {
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

function noBackend(name: string): Failure {
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
