import { Emitter } from '../core/emitter.ts'
import { closeCodes } from '../protocol/close-codes.ts'
import type { ClusterNode } from './cluster/cluster-node.ts'
import type { NodeListener } from './cluster/node-listeners.ts'
import type { Answers } from './cluster/questions.ts'
import type { Position } from './cluster.ts'
import { forwardClusterEvents } from './cluster-events.ts'
import { clusterHalf } from './cluster-half.ts'
import type { CloseInfo, Connection, Joined } from './connection.ts'
import { Counters, countEvents, type HubStats } from './counters.ts'
import { Dispatch } from './dispatch.ts'
import { Doorman, type DoormanHost } from './doorman.ts'
import type { HubEvents, ReceivedMessage, RefusedHandshake } from './events.ts'
import { limitLog } from './limited-log.ts'
import { type ConnectionHost, type Identity, LiveConnection } from './live-connection.ts'
import type { HubLog } from './log.ts'
import { noCluster } from './no-cluster.ts'
import type { HubConfig } from './options.ts'
import { Outbox } from './outbox.ts'
import { Recoveries } from './recover.ts'
import { lacks } from './room.ts'
import { RoomRules } from './room-rules.ts'
import { Roster } from './roster.ts'
import { callAll, watch } from './thenable.ts'
import { Timers } from './timers.ts'
import type { TransportOwner } from './transport.ts'
import { WideRooms } from './wide-rooms.ts'

export type ConnectionHandler = (connection: Connection<unknown>) => unknown
export type AnyMessageHandler = (message: ReceivedMessage<unknown>) => unknown

/** What the parts of a hub share: its connections, and everything that they tell. */
export class HubCore implements ConnectionHost, DoormanHost {
  readonly counters = new Counters()
  readonly outbox = new Outbox<LiveConnection>()
  readonly wide = new WideRooms(this)
  readonly timers = new Timers()
  readonly rules: RoomRules
  readonly roster: Roster
  readonly cluster: ClusterNode
  readonly dispatch: Dispatch
  readonly recoveries: Recoveries
  readonly doorman = new Doorman(this)
  readonly events = new Emitter<HubEvents<unknown>>()
  readonly config: HubConfig
  readonly node: string
  readonly log: HubLog
  stopping = false
  connectionHandlers: readonly ConnectionHandler[] = []
  messageHandlers: readonly AnyMessageHandler[] = []
  readonly #slow = new Set<LiveConnection>()
  /** Connections whose end was not told yet. */
  #unended = 0
  /** Called when the end of the last one was told. */
  #onEmpty: (() => void)[] = []
  readonly #listenerFailed = (error: unknown): void =>
    this.log.error({ event: 'listener.failed', error }, 'a listener failed')

  constructor(config: HubConfig, node: string, log: HubLog) {
    this.config = config
    this.node = node
    this.log = limitLog(log, () => this.timers.now())
    this.rules = new RoomRules({
      rooms: config.rooms,
      userPresence: config.userPresence,
      stampFailed: (room, error) =>
        this.log.error(
          { event: 'stamp.failed', room, error },
          'a stamp failed: the message is sent as it is',
        ),
    })
    this.roster = new Roster(noCluster, this.rules, this.wide)
    const { roster: local, rules } = this
    const stopping = () => this.stopping
    this.cluster = clusterHalf({ config, node, log: this.log, local, rules, stopping })
    this.roster.cluster = this.cluster
    this.dispatch = new Dispatch(this.roster, this.cluster, this.rules, this.counters.deliveries)
    this.recoveries = new Recoveries({ cluster: this.cluster, rules, patience: config.questionTimeout })
    forwardClusterEvents(this.cluster, this.events, this.log)
    countEvents(this.cluster.events, this.counters)
  }

  stats(): HubStats {
    let queuedBytes = 0
    for (const connection of this.#slow) queuedBytes += connection.queuedBytes
    return {
      ...this.counters,
      refusals: { ...this.counters.refusals },
      deliveries: { ...this.counters.deliveries },
      connections: this.roster.size,
      handshakes: this.doorman.deciding,
      users: this.roster.userCount,
      rooms: this.roster.roomCount,
      slow: this.#slow.size,
      queuedBytes,
      cluster: this.cluster.stats(),
    }
  }

  /** Lets nobody in from now on, and tells the others so. */
  stop(): void {
    this.stopping = true
    this.doorman.turnAway()
    this.cluster.changed()
  }

  /** Asks every node. Never rejects. */
  async ask(name: string, value: unknown): Promise<Answers<unknown>> {
    this.counters.questions++
    const answers = await this.cluster.questions.ask(name, value)
    this.counters.missingAnswers += answers.missing.length
    return answers
  }

  /** What other nodes emit. A listener that fails is logged. */
  hear(name: string, listener: NodeListener): () => void {
    return this.cluster.on(name, (value, from) => watch(() => listener(value, from), this.#listenerFailed))
  }

  /** What this hub tells. A listener that fails, at once or later, is logged. */
  listen<Name extends keyof HubEvents<unknown>>(
    event: Name,
    listener: (payload: HubEvents<unknown>[Name]) => unknown,
  ): () => void {
    return this.events.on(event, (payload) => watch(() => listener(payload), this.#listenerFailed))
  }

  /** Resolves when there is no connection, and the end of each was told. */
  empty(): Promise<void> {
    if (this.#unended === 0) return Promise.resolve()
    return new Promise((resolve) => this.#onEmpty.push(resolve))
  }

  // ------------------------------------------------------------------------------------------- as the doorman says

  welcome(identity: Identity): TransportOwner {
    return new LiveConnection(this, identity)
  }

  refused(refusal: RefusedHandshake): void {
    const { refusals } = this.counters
    refusals[refusal.status] = (refusals[refusal.status] ?? 0) + 1
    this.events.emit('refused', refusal)
  }

  // ------------------------------------------------------------------------------------------ as connections say

  opened(connection: LiveConnection): unknown {
    this.counters.accepted++
    this.#unended++
    this.roster.enter(connection)
    if (this.stopping) {
      // It was let in just before, and those who are closed were counted without it.
      connection.shut(closeCodes.restart)
      return undefined
    }
    connection.introduced = true
    return callAll(this.connectionHandlers, connection)
  }

  received(connection: LiveConnection, data: string | Uint8Array): unknown {
    if (this.messageHandlers.length === 0) return undefined
    return callAll(this.messageHandlers, { connection, data })
  }

  handlerFailed({ id }: LiveConnection, error: unknown): void {
    this.counters.failedHandlers++
    this.log.error(
      { event: 'handler.failed', connection: id, error },
      'a handler failed: its connection is closed',
    )
  }

  slowChanged(connection: LiveConnection, slow: boolean): void {
    if (slow) this.#slow.add(connection)
    else this.#slow.delete(connection)
    this.wide.changed(connection)
  }

  queueFull(connection: LiveConnection): void {
    this.counters.slowConsumers++
    if (!this.events.listens('slowConsumer')) return
    const { whenFull } = this.config.sendQueue
    this.events.emit('slowConsumer', { connection, queuedBytes: connection.queuedBytes, whenFull })
  }

  join(connection: LiveConnection, room: string): boolean {
    return this.roster.join(connection, room)
  }

  recover(connection: LiveConnection, room: string, since: Position | null): Promise<Joined> {
    if (this.rules.history(room) === null) throw lacks(room, 'history: { size, age }')
    return this.recoveries.begin(connection, room, since)
  }

  leave(connection: LiveConnection, room: string): boolean {
    this.recoveries.giveUp(connection, room)
    return this.roster.leave(connection, room)
  }

  departed(connection: LiveConnection): void {
    this.recoveries.giveUp(connection, null)
    this.roster.depart(connection)
  }

  gone(connection: LiveConnection): void {
    this.doorman.left()
    this.roster.gone(connection)
  }

  ended(connection: LiveConnection, info: CloseInfo): void {
    if (connection.introduced && this.events.listens('close'))
      this.events.emit('close', { ...info, connection })
    this.#unended--
    if (this.#unended > 0) return
    const waiting = this.#onEmpty
    this.#onEmpty = []
    for (const resolve of waiting) resolve()
  }
}
