import { TokenBucket } from '../core/admission/token-bucket.ts'
import { jitter } from '../core/jitter.ts'
import { Timer } from '../core/timer-wheel.ts'
import { type CloseCode, closeCodes } from '../protocol/close-codes.ts'
import type { Batch } from './batch.ts'
import { checkCode, cutReason } from './closing.ts'
import type { Position } from './cluster.ts'
import type {
  CloseHandler,
  CloseInfo,
  Connection,
  Joined,
  JoinOptions,
  MessageHandler,
  SendOptions,
  SendResult,
} from './connection.ts'
import type { Counters } from './counters.ts'
import { Inbox, type InboxOwner } from './inbox.ts'
import type { Data } from './local.ts'
import { Message } from './message.ts'
import { checkName } from './names.ts'
import type { HubConfig } from './options.ts'
import type { Outbox, OutboxMember } from './outbox.ts'
import { checkPosition } from './positions.ts'
import { type Kind, SendQueue } from './send-queue.ts'
import { callAll, isThenable, watch } from './thenable.ts'
import type { Timers } from './timers.ts'
import type { TopicMember, TransportConnection, TransportOwner } from './transport.ts'

/** More than so many bytes do not wait for the end of the turn: what the kernel does not take shows then. */
const flushAbove = 64 * 1024

/** So much of a send queue is handed to the socket at once; the rest may still be dropped or conflated. */
const refill = 64 * 1024

const noRooms: ReadonlySet<string> = new Set()
/** One for all: an empty array of its own costs a connection on Bun 64 bytes. */
const noHandlers: readonly never[] = []

/** What a connection needs of its hub. */
export interface ConnectionHost {
  readonly config: HubConfig
  readonly counters: Counters
  readonly outbox: Outbox<LiveConnection>
  readonly timers: Timers
  /** It is there now. May throw; messages wait for a promise. */
  opened(connection: LiveConnection): unknown
  /** A message, for those who handle those of every connection. May throw; the next message waits for a promise. */
  received(connection: LiveConnection, data: string | Uint8Array): unknown
  handlerFailed(connection: LiveConnection, error: unknown): void
  /** Its peer does not keep up, or does again. */
  slowChanged(connection: LiveConnection, slow: boolean): void
  /** Its send queue is full, for the first time since it was empty. */
  queueFull(connection: LiveConnection): void
  join(connection: LiveConnection, room: string): boolean
  /** @throws FairleadError `CONFIG_INVALID` when the room has no history */
  recover(connection: LiveConnection, room: string, since: Position | null): Promise<Joined>
  leave(connection: LiveConnection, room: string): boolean
  /** It takes and gets nothing any more. Told once, `ended` follows. */
  departed(connection: LiveConnection): void
  /** The socket is gone. */
  gone(connection: LiveConnection): void
  /** Everything is over. */
  ended(connection: LiveConnection, info: CloseInfo): void
}

/** Who a connection is: what `authenticate` found out, and what the handshake said. */
export interface Identity {
  readonly id: string
  readonly user: string | null
  readonly data: unknown
  readonly remoteAddress: string
  readonly protocol: string | null
}

/**
 * A connection, from its admission to its end. One object: an idle one costs no closure, no map and no timer of its
 * own.
 */
export class LiveConnection implements Connection<unknown>, TransportOwner, OutboxMember, InboxOwner {
  readonly id: string
  readonly user: string | null
  readonly data: unknown
  readonly remoteAddress: string
  readonly protocol: string | null
  /** Names of its rooms, kept by the hub; null: none. */
  roomNames: Set<string> | null = null
  /**
   * By room: what it had when it came into one whose history could not be read. When the node catches up, it delivers
   * what it has missed itself, and this client may have got that elsewhere. Null: nothing.
   */
  had: Map<string, Position> | null = null
  /** Grows with each message in and out, but for those that are published. */
  activity = 0
  /** Whether the program was told of it: only then it is told of its end. */
  introduced = false
  readonly #host: ConnectionHost
  readonly #pulse = new Timer<LiveConnection>(this, beat)
  #transport: TransportConnection | null = null
  #open = false
  /** What was sent in this turn. */
  #batch: Batch | null = null
  /** What waits for the peer; null while it keeps up. */
  #queue: SendQueue | null = null
  #queueWasFull = false
  #inbox: Inbox | null = null
  #paused = false
  #messageHandlers: readonly MessageHandler[] = noHandlers
  #closeHandlers: readonly CloseHandler[] = noHandlers
  /** Heard of since the last ping. */
  #heard = true
  #pinged = false
  /** Bytes that the kernel had not taken at the last look at a peer that does not keep up. */
  #stuckBytes = -1
  /** How this side has closed it. */
  #said: CloseInfo | null = null
  #end: CloseInfo | null = null
  #endTold = false

  constructor(host: ConnectionHost, identity: Identity) {
    this.#host = host
    this.id = identity.id
    this.user = identity.user
    this.data = identity.data
    this.remoteAddress = identity.remoteAddress
    this.protocol = identity.protocol
  }

  get isOpen(): boolean {
    return this.#open
  }

  get rooms(): ReadonlySet<string> {
    return this.roomNames ?? noRooms
  }

  get queuedBytes(): number {
    if (!this.#open) return 0
    return (this.#batch?.bytes ?? 0) + (this.#queue?.bytes ?? 0) + (this.#transport?.queuedBytes ?? 0)
  }

  /** Of these, those of messages that it came back for: they are outside the limit of its queue. */
  get recoveringBytes(): number {
    return this.#queue?.exempt ?? 0
  }

  /** Null where there are no topics. */
  get topics(): TopicMember | null {
    return this.#transport?.topics ?? null
  }

  /** Whether messages wait for its peer. */
  get isBehind(): boolean {
    return this.#queue !== null
  }

  // ---------------------------------------------------------------------------------------------------- outbound

  send(data: Data, options?: SendOptions): SendResult {
    if (!this.#open) return 'closed'
    return this.deliver(new Message(data), options?.key ?? null)
  }

  /** Sends what others may get, too. */
  deliver(message: Message, key: string | null, kind: Kind = 'plain'): SendResult {
    if (!this.#open) return 'closed'
    this.activity++
    if (this.#queue !== null) return this.#enqueue(this.#queue, message, key, kind)
    const { outbox } = this.#host
    if (this.#batch === null) {
      this.#batch = outbox.batch(message)
      outbox.add(this)
    } else {
      this.#batch = this.#batch.with(message)
    }
    if (this.#batch.bytes > flushAbove) this.flush()
    return this.#queue === null ? 'sent' : 'queued'
  }

  flush(): void {
    const batch = this.#batch
    if (batch === null) return
    this.#batch = null
    if (!this.#write(batch)) this.#fallBehind()
  }

  /** Looks whether it keeps up with what was published to it. */
  look(): void {
    if (!this.#open || this.#queue !== null || this.topics?.keepsUp() !== false) return
    this.flush()
    this.#fallBehind()
  }

  #fallBehind(): void {
    if (this.#queue !== null) return
    const { limit, whenFull } = this.#host.config.sendQueue
    this.#queue = new SendQueue(limit, whenFull)
    this.#host.slowChanged(this, true)
  }

  drained(): void {
    // To take what was sent is a sign of life, and the only one of a peer that is behind: it is not pinged.
    this.#heard = true
    const queue = this.#queue
    if (queue === null) return
    for (let batch = queue.take(refill); batch !== null; batch = queue.take(refill)) {
      if (!this.#write(batch)) return
    }
    this.#catchUp()
  }

  /** Whether the peer keeps up. */
  #write(batch: Batch): boolean {
    const { counters } = this.#host
    counters.messagesOut += batch.count
    counters.bytesOut += batch.bytes
    return this.#transport?.send(batch) ?? true
  }

  #enqueue(queue: SendQueue, message: Message, key: string | null, kind: Kind): SendResult {
    const { counters, config } = this.#host
    const { whenFull } = config.sendQueue
    const before = queue.lost
    const result = queue.push(message, key, kind)
    const lost = queue.lost - before
    if (whenFull === 'conflate') counters.conflated += lost
    else if (whenFull === 'drop-oldest') counters.droppedOldest += lost
    else counters.droppedNewest += lost
    if (result === 'queued' && (lost === 0 || whenFull === 'conflate')) return result
    if (!this.#queueWasFull) {
      this.#queueWasFull = true
      this.#host.queueFull(this)
    }
    if (result !== 'full') return result
    counters.closedSlow++
    // What waits would only keep the Close from arriving.
    this.#queue = null
    this.#host.slowChanged(this, false)
    this.shut(closeCodes.slowConsumer)
    return 'closed'
  }

  #catchUp(): void {
    if (this.#queue === null) return
    this.#queue = null
    this.#queueWasFull = false
    this.#stuckBytes = -1
    this.#host.slowChanged(this, false)
  }

  // ----------------------------------------------------------------------------------------------------- inbound

  message(data: string | Uint8Array): void {
    if (!this.#open) return
    const { counters } = this.#host
    counters.messagesIn++
    counters.bytesIn += data.length
    this.activity++
    this.#heard = true
    if (this.#inbox !== null) {
      this.#inbox.receive(data)
      return
    }
    let result: unknown
    try {
      result = this.handle(data)
    } catch (error) {
      this.handlerFailed(error)
      return
    }
    if (isThenable(result)) this.#inOrder().wait(result)
  }

  handle(data: string | Uint8Array): unknown {
    return callAll(this.#messageHandlers, data, this.#host.received(this, data))
  }

  handlerFailed(error: unknown): void {
    this.#host.handlerFailed(this, error)
    this.shut(closeCodes.internal)
    this.#inbox?.stop()
    this.caughtUp()
  }

  caughtUp(): void {
    if (this.#end !== null) this.#tellEnd(this.#end)
  }

  pause(): void {
    this.#paused = true
    this.#host.counters.pauses++
    this.#host.counters.paused++
    this.#transport?.pause()
  }

  resume(): void {
    if (!this.#paused) return
    this.#paused = false
    this.#host.counters.paused--
    this.#heard = true
    this.#transport?.resume()
  }

  /** The inbox, which a connection has only once something has had to wait. */
  #inOrder(): Inbox {
    const { config, timers } = this.#host
    const { messageRate, receiveQueue, maxMessage } = config
    const bucket = messageRate === undefined ? null : new TokenBucket(bucketRule(messageRate))
    const strict = messageRate?.whenExceeded === 'close'
    this.#inbox ??= new Inbox(this, timers, { ...receiveQueue, maxMessage }, bucket, strict)
    return this.#inbox
  }

  rateExceeded(): void {
    this.#host.counters.rateExceeded++
  }

  tooManyMessages(): void {
    this.#host.counters.closedTooMany++
    this.shut(closeCodes.tooManyMessages)
  }

  // -------------------------------------------------------------------------------------------------- life and end

  opened(transport: TransportConnection): void {
    this.#transport = transport
    this.#open = true
    const { heartbeat, messageRate } = this.#host.config
    if (heartbeat !== false) this.#beatIn(heartbeat.interval)
    if (messageRate !== undefined) this.#inOrder()
    let work: unknown
    try {
      work = this.#host.opened(this)
    } catch (error) {
      this.handlerFailed(error)
      return
    }
    if (isThenable(work)) this.#inOrder().wait(work)
  }

  join(room: string): boolean
  join(room: string, options: JoinOptions): Promise<Joined>
  join(room: string, options?: JoinOptions): boolean | Promise<Joined> {
    checkName('room', room)
    if (options !== undefined) return this.#host.recover(this, room, checkPosition(options.since))
    return this.#open && this.#host.join(this, room)
  }

  leave(room: string): boolean {
    return this.#host.leave(this, room)
  }

  on(event: 'message', handler: MessageHandler): () => void
  on(event: 'close', handler: CloseHandler): () => void
  on(event: 'message' | 'close', handler: MessageHandler | CloseHandler): () => void {
    if (event === 'message') {
      const entry: MessageHandler = (data) => (handler as MessageHandler)(data)
      this.#messageHandlers = [...this.#messageHandlers, entry]
      return () => {
        this.#messageHandlers = this.#messageHandlers.filter((other) => other !== entry)
      }
    }
    if (event !== 'close')
      throw new TypeError(`expected 'message' or 'close' as event, found ${String(event)}`)
    const entry: CloseHandler = (info) => (handler as CloseHandler)(info)
    this.#closeHandlers = [...this.#closeHandlers, entry]
    if (this.#endTold) queueMicrotask(() => this.#tellOne(entry))
    return () => {
      this.#closeHandlers = this.#closeHandlers.filter((other) => other !== entry)
    }
  }

  close(code = 1000, reason = ''): void {
    checkCode(code)
    this.shut({ code, reason: cutReason(reason) })
  }

  /** Closes it, behind what was sent. */
  shut({ code, reason }: Pick<CloseCode, 'code' | 'reason'>): void {
    if (!this.#open) return
    this.flush()
    const waiting = this.#queue?.take(Number.POSITIVE_INFINITY) ?? null
    if (waiting !== null) this.#write(waiting)
    this.#said = { code, reason, by: 'server' }
    this.#depart()
    this.#inbox?.stop()
    this.#transport?.close(code, reason)
  }

  terminate(): void {
    if (this.#transport === null || this.#end !== null) return
    this.#said ??= { code: 1006, reason: '', by: 'server' }
    this.#batch = null
    this.#depart()
    this.#inbox?.stop()
    this.#transport.terminate()
  }

  pong(): void {
    this.#heard = true
  }

  closed(code: number, reason: string): void {
    if (this.#transport === null) {
      this.#host.gone(this)
      return
    }
    this.#batch = null
    this.#depart()
    this.#host.gone(this)
    const info = this.#said ?? { code, reason, by: 'client' }
    this.#end = info
    // What came before an orderly goodbye is still handled; not for longer than a goodbye may take.
    const orderly = this.#said === null && code !== 1006 && this.#inbox?.working === true
    if (orderly) this.#host.timers.schedule(this.#pulse, this.#host.config.closeTimeout)
    else this.#tellEnd(info)
  }

  /** Neither sends nor receives from now on. */
  #depart(): void {
    if (!this.#open) return
    this.#open = false
    this.#catchUp()
    this.resume()
    this.#host.timers.cancel(this.#pulse)
    this.#host.departed(this)
  }

  #tellEnd(info: CloseInfo): void {
    if (this.#endTold) return
    this.#endTold = true
    this.#inbox?.stop()
    this.#host.timers.cancel(this.#pulse)
    this.#host.ended(this, info)
    for (const handler of this.#closeHandlers) this.#tellOne(handler)
  }

  #tellOne(handler: CloseHandler): void {
    watch(
      () => handler(this.#end as CloseInfo),
      (error) => this.#host.handlerFailed(this, error),
    )
  }

  // --------------------------------------------------------------------------------------------------- heartbeat

  /** The pulse fires: ping, look for the answer, or stop waiting for messages of a connection that has ended. */
  beat(): void {
    const { heartbeat } = this.#host.config
    if (this.#end !== null) this.#tellEnd(this.#end)
    if (!this.#open || heartbeat === false) return
    if (this.#pinged && !this.#isAlive()) {
      this.#host.counters.unanswered++
      this.#said = { code: 1006, reason: closeCodes.unanswered.reason, by: 'server' }
      this.terminate()
      return
    }
    if (this.#pinged) {
      this.#pinged = false
      this.#beatIn(heartbeat.interval)
      return
    }
    this.#pinged = true
    this.#heard = false
    this.look()
    // To a peer that does not keep up it would only come after everything else.
    if (this.#queue === null) this.#transport?.ping()
    this.#stuckBytes = this.#transport?.queuedBytes ?? -1
    this.#host.timers.schedule(this.#pulse, heartbeat.timeout)
  }

  #isAlive(): boolean {
    // Its answer is not read while the socket is paused.
    if (this.#heard || this.#paused) return true
    // The answer may be late because the peer is busy taking what was published since the ping.
    this.look()
    return this.#queue !== null && this.#transport?.queuedBytes !== this.#stuckBytes
  }

  #beatIn(interval: number): void {
    this.#host.timers.schedule(this.#pulse, jitter(interval, Math.random()))
  }
}

function beat(connection: LiveConnection): void {
  connection.beat()
}

function bucketRule({ perSecond, burst }: NonNullable<HubConfig['messageRate']>) {
  return { perSecond, burst: burst ?? Math.max(1, Math.floor(perSecond)) }
}
