import { randomInt } from 'node:crypto'
import type { Clock } from '../clock.ts'
import type { Relayed } from '../local.ts'
import { nodeChannel } from './channels.ts'
import type { NodeMessage } from './envelope.ts'
import type { Members } from './members.ts'

/** Why a node has not answered. */
export type MissingReason =
  /** It was silent for a while already, and was not asked. */
  | 'suspected'
  /** Its lease ended meanwhile. */
  | 'left'
  /** It did not answer in time. */
  | 'timeout'
  /** The broker is away; or the registry is, and this node was heard of but is not known. */
  | 'unreachable'
  /** It has no answer to this question: nothing there has called `answer`. */
  | 'unknown'
  /** Its answer failed, or was larger than the broker takes. */
  | 'failed'

export interface Missing {
  readonly node: string
  readonly reason: MissingReason
}

/** What the cluster said: from whom something came, and from whom nothing and why. */
export interface Answers<T> {
  readonly results: readonly { readonly node: string; readonly value: T }[]
  readonly missing: readonly Missing[]
}

/** Answers a question of another node; what it returns is sent as JSON. */
export type Answerer = (value: unknown, from: string) => unknown

interface Asked {
  readonly waiting: Set<string>
  readonly results: { node: string; value: unknown }[]
  readonly missing: Missing[]
  readonly settle: () => void
}

interface Answer {
  readonly outcome: 'ok' | 'failed' | 'unknown'
  readonly value: unknown
}

export interface QuestionsContext {
  readonly self: string
  readonly clock: Clock
  readonly members: Members
  readonly timeout: number
  say(channel: string, message: NodeMessage): Promise<Relayed>
}

/** Questions to every node, which are answered by those who can, with the names of those who did not. */
export class Questions {
  readonly #context: QuestionsContext
  readonly #answerers = new Map<string, Answerer>()
  readonly #asked = new Map<number, Asked>()
  /** Begins anywhere: an answer to an earlier life of this node is not one to a question of this one. */
  #last = randomInt(2 ** 47)

  constructor(context: QuestionsContext) {
    this.#context = context
  }

  /** Questions under way. */
  get size(): number {
    return this.#asked.size
  }

  /** What this node answers to `name`. Returns how to end it. @throws Error when it has an answer already */
  answer(name: string, answerer: Answerer): () => void {
    if (this.#answerers.has(name)) throw new Error(`there is an answer to the question "${name}" already`)
    this.#answerers.set(name, answerer)
    return () => {
      if (this.#answerers.get(name) === answerer) this.#answerers.delete(name)
    }
  }

  /** Asks every node, this one included. Never rejects. */
  async ask(name: string, value: unknown): Promise<Answers<unknown>> {
    const { self, members, clock, timeout } = this.#context
    const { promise, resolve } = Promise.withResolvers<void>()
    const state: Asked = { waiting: new Set([self]), results: [], missing: [], settle: resolve }
    const text = JSON.stringify(value) ?? 'null'
    const id = ++this.#last
    this.#asked.set(id, state)
    for (const node of members.others) {
      if (members.suspects(node)) state.missing.push({ node, reason: 'suspected' })
      else state.waiting.add(node)
    }
    for (const node of members.strangers) state.missing.push({ node, reason: 'unreachable' })
    const cancel = clock.after(timeout, () => this.#giveUp(state, 'timeout'))
    for (const node of state.waiting) {
      if (node !== self) this.#send(state, node, { kind: 'question', id, name, value: text })
    }
    void this.#own(name, value, self).then((mine) => this.#take(state, self, mine))
    await promise
    cancel()
    this.#asked.delete(id)
    return { results: state.results, missing: state.missing }
  }

  /** Another node asks. */
  async asked(from: string, { id, name, value }: Extract<NodeMessage, { kind: 'question' }>): Promise<void> {
    const answer = await this.#own(name, parse(value), from)
    const text = toJson(answer.value)
    const failed: NodeMessage = { kind: 'answer', id, outcome: 'failed', value: 'null' }
    const said = text === null ? failed : { ...failed, outcome: answer.outcome, value: text }
    const { status } = await this.#context.say(nodeChannel(from), said)
    // More than the broker takes: nobody has to wait for it.
    if (status === 'refused') await this.#context.say(nodeChannel(from), failed)
  }

  /** Another node answers. */
  answered(from: string, { id, outcome, value }: Extract<NodeMessage, { kind: 'answer' }>): void {
    const state = this.#asked.get(id)
    if (state !== undefined) this.#take(state, from, { outcome, value: parse(value) })
  }

  /** A node will not answer any more, or is not waited for. */
  gone(node: string, reason: 'left' | 'suspected'): void {
    for (const state of this.#asked.values()) this.#miss(state, node, reason)
  }

  /** Nobody will answer. */
  close(): void {
    for (const state of this.#asked.values()) this.#giveUp(state, 'unreachable')
  }

  async #own(name: string, value: unknown, from: string): Promise<Answer> {
    const answerer = this.#answerers.get(name)
    if (answerer === undefined) return { outcome: 'unknown', value: null }
    try {
      return { outcome: 'ok', value: await answerer(value, from) }
    } catch {
      return { outcome: 'failed', value: null }
    }
  }

  #take(state: Asked, from: string, { outcome, value }: Answer): void {
    if (outcome !== 'ok') {
      this.#miss(state, from, outcome)
      return
    }
    if (!state.waiting.delete(from)) return
    state.results.push({ node: from, value })
    if (state.waiting.size === 0) state.settle()
  }

  #send(state: Asked, node: string, question: NodeMessage): void {
    void this.#context.say(nodeChannel(node), question).then(({ status }) => {
      // One whose fate is uncertain may have arrived.
      if (status === 'degraded' || status === 'refused') this.#miss(state, node, 'unreachable')
    })
  }

  #miss(state: Asked, node: string, reason: MissingReason): void {
    if (!state.waiting.delete(node)) return
    state.missing.push({ node, reason })
    if (state.waiting.size === 0) state.settle()
  }

  #giveUp(state: Asked, reason: MissingReason): void {
    for (const node of [...state.waiting]) this.#miss(state, node, reason)
  }
}

/** Null for what cannot be JSON. */
function toJson(value: unknown): string | null {
  try {
    return JSON.stringify(value) ?? 'null'
  } catch {
    return null
  }
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return null
  }
}
