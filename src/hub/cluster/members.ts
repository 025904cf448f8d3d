import type { NodeRecord } from '../cluster.ts'
import type { Envelope } from './envelope.ts'

/** Ended lives that are remembered, so that what they said late is refused. */
const maxEnded = 4_096
/** Nodes that were heard of and are not known. */
const maxStrangers = 1_024

/** What this node knows of the others, and whose words it takes. */
export class Members {
  readonly #self: string
  readonly #live = new Map<string, NodeRecord>()
  readonly #suspected = new Set<string>()
  /** Heard over the bus, and not told of by the registry yet. */
  readonly #strangers = new Set<string>()
  #complete = false
  /** Last incarnation that has ended, least recent first. */
  readonly #ended = new Map<string, number>()
  /** The last connection to the broker over which a life of a node was heard. */
  readonly #sessions = new Map<string, { readonly incarnation: number; readonly session: number }>()

  constructor(self: string) {
    this.#self = self
  }

  /** The others, suspected ones included. */
  get others(): Iterable<string> {
    return this.#live.keys()
  }

  get size(): number {
    return this.#live.size
  }

  /** Whether the registry says now which nodes there are. */
  get complete(): boolean {
    return this.#complete
  }

  /** Nodes of which the registry, which is away, has not told yet. */
  get strangers(): readonly string[] {
    return this.#complete ? [] : [...this.#strangers]
  }

  /** Whether a node is known not to be there. */
  isGone(node: string): boolean {
    if (this.#live.has(node) || this.#strangers.has(node)) return false
    return this.#complete || this.#ended.has(node)
  }

  suspects(node: string): boolean {
    return this.#suspected.has(node)
  }

  /** Whether this is the life of the node that the registry knows. */
  isLife(node: string, incarnation: number): boolean {
    return this.#live.get(node)?.incarnation === incarnation
  }

  incarnation(node: string): number | null {
    return this.#live.get(node)?.incarnation ?? null
  }

  /**
   * Whether something that was said in this life of a node is to be taken. One that the registry has not told of yet
   * may be new; one that has ended is refused. So is what comes over a connection to the broker that the node has given
   * up, behind what came over a later one: the network may keep it for long, and it would be out of order.
   */
  accepts({ node, incarnation, session }: Pick<Envelope, 'node' | 'incarnation' | 'session'>): boolean {
    if (node === this.#self || incarnation <= (this.#ended.get(node) ?? -1)) return false
    const live = this.#live.get(node)
    if (live === undefined) return true
    if (incarnation < live.incarnation) return false
    const last = this.#sessions.get(node)
    if (last?.incarnation === incarnation && last.session >= session) return last.session === session
    if (last === undefined || last.incarnation <= incarnation) {
      this.#sessions.set(node, { incarnation, session })
    }
    return true
  }

  /** The registry has told of all nodes. */
  listed(): void {
    this.#complete = true
    this.#strangers.clear()
  }

  /** The registry is away. */
  unlisted(): void {
    this.#complete = false
  }

  /** A node that is not known was heard. */
  heard(node: string): void {
    if (!this.#live.has(node) && this.#strangers.size < maxStrangers) this.#strangers.add(node)
  }

  joined(node: NodeRecord): void {
    this.#live.set(node.id, node)
    this.#strangers.delete(node.id)
    this.#suspected.delete(node.id)
    // A store that came back from an older copy of itself may bring a life back that was taken for ended.
    if ((this.#ended.get(node.id) ?? -1) >= node.incarnation) this.#ended.delete(node.id)
  }

  changed(node: NodeRecord): void {
    if (this.#live.has(node.id)) this.#live.set(node.id, node)
  }

  suspect(node: string): void {
    if (this.#live.has(node)) this.#suspected.add(node)
  }

  recovered(node: string): void {
    this.#suspected.delete(node)
  }

  left(node: NodeRecord): void {
    this.#live.delete(node.id)
    this.#strangers.delete(node.id)
    this.#suspected.delete(node.id)
    this.#sessions.delete(node.id)
    const last = Math.max(this.#ended.get(node.id) ?? 0, node.incarnation)
    this.#ended.delete(node.id)
    this.#ended.set(node.id, last)
    if (this.#ended.size <= maxEnded) return
    for (const oldest of this.#ended.keys()) {
      this.#ended.delete(oldest)
      return
    }
  }
}
