import { FairleadError } from '../../core/errors.ts'
import type { ClusterLog } from '../../hub/cluster.ts'
import { refused, unavailable } from '../../hub/cluster-error.ts'
import { type RedisArgument, RedisConnection } from './redis-connection.ts'
import { findLayout, type RedisLayout, sameLayout } from './redis-layout.ts'
import type { RedisAddress, RedisPlace } from './redis-options.ts'
import type { RedisScript } from './redis-scripts.ts'
import { slotOfTag } from './redis-slots.ts'

/** Between two looks at whether masters and slots are where they were. */
const lookEvery = 5_000

const noMaster = 'the server is no master'

/**
 * Connections to every master: one for requests and, for a bus, one for subscriptions. When one is lost, all of it is
 * given up. What only some parts need is not asked of the server before they are there.
 */
export class RedisCircuit {
  readonly #place: RedisPlace
  readonly #log: ClusterLog
  readonly #lost: (reason: string) => void
  readonly #layout: RedisLayout
  /** In the order of the masters. */
  #commands: readonly RedisConnection[] = []
  #subscribers: readonly RedisConnection[] = []
  readonly #all: RedisConnection[] = []
  /** Of the servers' processes: another one has not necessarily all that this one had. Null when it is not told. */
  #runIds: readonly (string | null)[] = []
  /** Those that were loaded, or why not. */
  readonly #scripts = new Map<RedisScript, 'loaded' | FairleadError>()
  #closed = false
  #timer: NodeJS.Timeout | null = null

  private constructor(
    place: RedisPlace,
    log: ClusterLog,
    lost: (reason: string) => void,
    layout: RedisLayout,
  ) {
    this.#place = place
    this.#log = log
    this.#lost = lost
    this.#layout = layout
  }

  /** @throws FairleadError */
  static async open(
    place: RedisPlace,
    log: ClusterLog,
    lost: (reason: string) => void,
  ): Promise<RedisCircuit> {
    const circuit = new RedisCircuit(place, log, lost, await findLayout(place))
    try {
      circuit.#commands = await circuit.#openAll()
      await circuit.#checkMasters()
    } catch (error) {
      circuit.close()
      throw error
    }
    circuit.#lookAgain()
    return circuit
  }

  /** @param tagged a key or channel that begins with a hash tag */
  request<T>(tagged: string, args: readonly RedisArgument[], size = 0): Promise<T> {
    const connection = this.#commands[this.#masterOf(tagged)] as RedisConnection
    return connection.request<T>(args, size)
  }

  /** Runs a script, which is told the run id of the server as its first argument when `runId` is set. */
  async run<T>(
    script: RedisScript,
    keys: readonly string[],
    args: readonly RedisArgument[],
    { runId = false, size = 0 } = {},
  ): Promise<T> {
    const [tagged] = keys as [string]
    const state = this.#scripts.get(script)
    const id = runId ? this.#runIds[this.#masterOf(tagged)] : ''
    // The part that needs them is about to be attached.
    if (state === undefined || id === undefined) throw unavailable('not connected to Redis')
    if (state !== 'loaded') throw state
    if (id === null) throw refused('Redis: histories need INFO, which is not permitted')
    const given = runId ? [id, ...args] : args
    return this.request<T>(tagged, ['EVALSHA', script.sha, `${keys.length}`, ...keys, ...given], size)
  }

  /**
   * Scripts are loaded before, not when one is missing: what is repeated then would come behind what was later. One
   * that is refused is refused whenever it is run.
   */
  async load(scripts: readonly RedisScript[]): Promise<void> {
    const answers = await Promise.all(
      this.#commands.flatMap((connection) =>
        scripts.map(async (script) => {
          const answer = await unlessRefused(connection.request(['SCRIPT', 'LOAD', script.source]))
          return isRefusal(answer) ? { script, refusal: answer } : null
        }),
      ),
    )
    for (const script of scripts) this.#scripts.set(script, 'loaded')
    for (const answer of answers) if (answer !== null) this.#scripts.set(answer.script, answer.refusal)
    const refusal = answers.find((answer) => answer !== null)?.refusal
    if (refusal === undefined) return
    this.#log.warn({ reason: refusal.message }, 'Redis takes no scripts: nodes and histories need them')
  }

  /** Finds out which processes the servers are. */
  async learnRunIds(): Promise<void> {
    this.#runIds = await Promise.all(
      this.#commands.map(async (connection) => {
        const info = await unlessRefused(connection.request<Buffer>(['INFO', 'server']))
        return isRefusal(info) ? null : (/run_id:(\w+)/.exec(String(info))?.[1] ?? null)
      }),
    )
  }

  /** Connects to be told messages. */
  async openSubscribers(): Promise<void> {
    this.#subscribers = await this.#openAll()
  }

  /** @param tagged a channel that begins with a hash tag */
  subscriber(tagged: string): RedisConnection {
    return this.#subscribers[this.#masterOf(tagged)] as RedisConnection
  }

  /** May be called twice. */
  close(): void {
    this.#closed = true
    if (this.#timer !== null) clearTimeout(this.#timer)
    for (const connection of this.#all) connection.close()
  }

  #masterOf(tagged: string): number {
    const { slots } = this.#layout
    return slots === null ? 0 : (slots[slotOfTag(tagged)] as number)
  }

  #openAll(): Promise<readonly RedisConnection[]> {
    return Promise.all(this.#layout.masters.map((address) => this.#open(address)))
  }

  async #open(address: RedisAddress): Promise<RedisConnection> {
    const connection = await RedisConnection.open(this.#place, address, this.#lost)
    this.#all.push(connection)
    if (!this.#closed) return connection
    connection.close()
    throw unavailable('closed')
  }

  /** A replica takes what is published, and nobody at the master hears it. */
  async #checkMasters(): Promise<void> {
    const roles = await this.#roles()
    if (roles.some((role) => role !== null && role !== 'master')) throw unavailable(noMaster)
    if (roles.includes(null))
      this.#log.warn({}, 'Redis does not permit ROLE: a replica would be taken for a master')
  }

  /** Of each; null when it does not tell. */
  #roles(): Promise<readonly (string | null)[]> {
    return Promise.all(
      this.#commands.map(async (connection) => {
        const answer = await unlessRefused(connection.request<[Buffer]>(['ROLE']))
        return isRefusal(answer) ? null : String(answer[0])
      }),
    )
  }

  /** A slot that moved, or a master that was replaced, while the old one goes on as if nothing were. */
  #lookAgain(): void {
    this.#timer = setTimeout(async () => {
      const change = await this.#change()
      if (this.#closed) return
      if (change === null) this.#lookAgain()
      else this.#lost(change)
    }, lookEvery)
    this.#timer.unref()
  }

  async #change(): Promise<string | null> {
    if (this.#place.kind === 'server') {
      const roles = await this.#roles().catch(() => [])
      return roles.some((role) => role !== null && role !== 'master') ? noMaster : null
    }
    const layout = await findLayout(this.#place).catch(() => null)
    return layout === null || sameLayout(layout, this.#layout) ? null : 'masters or slots have moved'
  }
}

async function unlessRefused<T>(work: Promise<T>): Promise<T | FairleadError> {
  try {
    return await work
  } catch (error) {
    if (isRefusal(error)) return error
    throw error
  }
}

function isRefusal(answer: unknown): answer is FairleadError {
  return answer instanceof FairleadError && answer.code === 'CLUSTER_REFUSED'
}
