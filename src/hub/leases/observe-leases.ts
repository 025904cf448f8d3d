import type { LeaseTimes, NodeRecord } from '../cluster.ts'
import type { LeaseEntry } from './lease-table.ts'

/** What an observer knows of one node. */
interface Watched {
  readonly entry: LeaseEntry
  /** Milliseconds during which this observer looked and saw no new beat. */
  readonly silence: number
  readonly state: 'live' | 'suspected' | 'left'
}

/** What an observer knows; replaced by each look. */
export interface LeaseView {
  /** When it looked last; null before the first look. */
  readonly at: number | null
  readonly nodes: ReadonlyMap<string, Watched>
}

/** What a look has found out. */
export type LeaseChange =
  | { readonly kind: 'joined' | 'changed' | 'suspected' | 'recovered'; readonly node: NodeRecord }
  | { readonly kind: 'left'; readonly node: NodeRecord; readonly why: 'closed' | 'dead' | 'replaced' }
  /** To be removed from the store by comparing; it has left only when it is gone from there. */
  | { readonly kind: 'expire'; readonly entry: LeaseEntry }

export const emptyView: LeaseView = { at: null, nodes: new Map() }

/**
 * Compares what the store lists with what was known.
 *
 * Silence counts only while this observer looks: between two looks at most one `beat` of it. So an observer that was
 * stopped, or whose store was away, suspects nobody for its own absence. An entry that is missing was removed by
 * another observer, who waited as long as we did, or the store has lost its memory: it counts as silent, so that the
 * second case does not kill everybody at once.
 * @param self id of the observer, which is not watched
 */
export function observeLeases(
  view: LeaseView,
  listed: readonly LeaseEntry[],
  now: number,
  times: LeaseTimes,
  self: string,
): { readonly view: LeaseView; readonly changes: readonly LeaseChange[] } {
  const elapsed = view.at === null ? 0 : Math.min(now - view.at, times.beat)
  const changes: LeaseChange[] = []
  const nodes = new Map<string, Watched>()
  const present = new Set<string>()
  for (const entry of listed) {
    const { id } = entry.node
    present.add(id)
    if (id === self) continue
    const before = view.nodes.get(id)
    const after =
      before === undefined
        ? meet(entry, changes)
        : entry.node.incarnation > before.entry.node.incarnation
          ? succeed(before, entry, changes)
          : follow(before, entry, elapsed, times, changes)
    nodes.set(id, after)
  }
  for (const [id, before] of view.nodes) {
    if (present.has(id)) continue
    const kept = miss(before, elapsed, times, changes)
    if (kept !== null) nodes.set(id, kept)
  }
  return { view: { at: now, nodes }, changes }
}

function meet(entry: LeaseEntry, changes: LeaseChange[]): Watched {
  if (entry.closed) return { entry, silence: 0, state: 'left' }
  changes.push({ kind: 'joined', node: entry.node })
  return { entry, silence: 0, state: 'live' }
}

function succeed(before: Watched, entry: LeaseEntry, changes: LeaseChange[]): Watched {
  if (before.state !== 'left') changes.push({ kind: 'left', node: before.entry.node, why: 'replaced' })
  return meet(entry, changes)
}

function follow(
  before: Watched,
  entry: LeaseEntry,
  elapsed: number,
  times: LeaseTimes,
  changes: LeaseChange[],
): Watched {
  if (entry.node.incarnation < before.entry.node.incarnation)
    return outlive(before, entry, elapsed, times, changes)
  const beaten = entry.beat !== before.entry.beat
  const silence = beaten ? 0 : before.silence + elapsed
  if (silence >= times.dead) changes.push({ kind: 'expire', entry })
  if (before.state === 'left') return { entry, silence, state: 'left' }
  if (entry.closed) {
    changes.push({ kind: 'left', node: entry.node, why: 'closed' })
    return { entry, silence, state: 'left' }
  }
  if (beaten && before.state === 'suspected') changes.push({ kind: 'recovered', node: entry.node })
  if (differs(entry.node, before.entry.node)) changes.push({ kind: 'changed', node: entry.node })
  return { entry, silence, state: suspect(before, silence, times, changes) }
}

/**
 * The store was set back to an earlier life. When the node lives, it takes a new lease soon; when not, the entry that
 * is there is removed in time, and then the node has left.
 */
function outlive(
  before: Watched,
  entry: LeaseEntry,
  elapsed: number,
  times: LeaseTimes,
  changes: LeaseChange[],
): Watched {
  const silence = before.silence + elapsed
  if (silence >= times.dead) changes.push({ kind: 'expire', entry })
  if (before.state === 'left') return { ...before, silence }
  return { entry: before.entry, silence, state: suspect(before, silence, times, changes) }
}

function miss(before: Watched, elapsed: number, times: LeaseTimes, changes: LeaseChange[]): Watched | null {
  if (before.state === 'left') return null
  const silence = before.silence + elapsed
  const state = suspect(before, silence, times, changes)
  // Once somebody suspects it as well, another's removal is believed.
  if (before.state === 'suspected' || silence >= times.dead) {
    changes.push({ kind: 'left', node: before.entry.node, why: 'dead' })
    return null
  }
  return { entry: before.entry, silence, state }
}

function suspect(
  before: Watched,
  silence: number,
  times: LeaseTimes,
  changes: LeaseChange[],
): 'live' | 'suspected' {
  if (silence < times.suspect) return 'live'
  if (before.state === 'live') changes.push({ kind: 'suspected', node: before.entry.node })
  return 'suspected'
}

function differs(one: NodeRecord, other: NodeRecord): boolean {
  return one.state !== other.state || one.address !== other.address || one.connections !== other.connections
}
