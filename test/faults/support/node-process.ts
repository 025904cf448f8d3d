import { stopProcess } from '../../../src/hub/contract/server-process.ts'
import type { TcpProxy } from '../../../src/hub/contract/tcp-proxy.ts'
import type { Delivery } from '../../../src/hub.ts'
import { Dialogue } from '../../resilience/support/dialogue.ts'
import type { NodeAnswers, NodeCommand, NodeLook, NodeOptions, NodePresence, NodeTold } from './hub-main.ts'

const program = new URL('./hub-main.ts', import.meta.url)

/** One node in a process of its own, with a way to the broker of its own. */
export class NodeProcess {
  readonly name: string
  readonly way: TcpProxy
  /** Open descriptors before anybody came. */
  descriptorsAtRest = 0
  port = 0
  /** Whether clients may be sent to it, as the test knows: not while it is paused or dead. */
  open = false
  readonly #options: Omit<NodeOptions, 'port'>
  #dialogue: Dialogue | null = null
  #state: 'down' | 'running' | 'paused' | 'closed' = 'down'

  constructor(options: Omit<NodeOptions, 'port'>, way: TcpProxy) {
    this.name = options.node
    this.way = way
    this.#options = options
  }

  /** Starts it, also again after a kill. Resolves when it is ready. */
  async start(): Promise<void> {
    const options: NodeOptions = { ...this.#options, port: this.way.port }
    this.#dialogue = new Dialogue(program, [JSON.stringify(options)])
    this.#state = 'running'
    this.port = await this.#ask<number>({ do: 'port' })
    while (!(await this.look()).ready) await new Promise((resolve) => setTimeout(resolve, 20))
    this.descriptorsAtRest = this.descriptors
    this.open = true
  }

  get descriptors(): number {
    return this.#running.descriptors
  }

  look(): Promise<NodeLook> {
    return this.#ask({ do: 'look' })
  }

  /** Events since the last time. */
  told(): Promise<NodeTold> {
    return this.#ask({ do: 'told' })
  }

  /** Asks every node of the cluster. */
  ask(): Promise<NodeAnswers> {
    return this.#ask({ do: 'ask' })
  }

  /** Says something to a room, as nobody. Counted by `sender`. */
  say(what: { readonly room: string; readonly sender: string; readonly n: number }): Promise<Delivery> {
    return this.#ask({ do: 'say', ...what })
  }

  presence(rooms: readonly string[]): Promise<NodePresence> {
    return this.#ask({ do: 'presence', rooms })
  }

  /** Runs again, with a way to the broker, if a test has left it otherwise. */
  async restore(): Promise<void> {
    this.way.heal()
    if (this.#state === 'closed') await this.kill()
    if (this.#state === 'down') await this.start()
    else if (this.#state === 'paused') this.resume()
    this.open = true
  }

  /** Closes its hub, in order. The process stays. */
  async close(): Promise<void> {
    this.open = false
    this.#state = 'closed'
    await this.#ask({ do: 'close' })
  }

  /** SIGKILL. */
  async kill(): Promise<void> {
    this.open = false
    this.#state = 'down'
    await this.#dialogue?.kill()
  }

  /** SIGSTOP. */
  async pause(): Promise<void> {
    this.open = false
    this.#state = 'paused'
    await stopProcess(this.#running.pid)
  }

  /** SIGCONT. */
  resume(): void {
    process.kill(this.#running.pid, 'SIGCONT')
    this.#state = 'running'
    this.open = true
  }

  get #running(): Dialogue {
    if (this.#dialogue === null) throw new Error(`${this.name} was not started`)
    return this.#dialogue
  }

  #ask<Answer>(command: NodeCommand): Promise<Answer> {
    return this.#running.ask(command)
  }
}
