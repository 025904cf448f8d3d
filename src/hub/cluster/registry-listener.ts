import type { Emitter } from '../../core/emitter.ts'
import type { NodeRecord, RegistryEvents } from '../cluster.ts'
import type { ClusterEvents } from './cluster-events.ts'
import type { Introductions } from './introductions.ts'
import type { Members } from './members.ts'
import type { OwnStanding } from './own-standing.ts'
import type { Presence } from './presence.ts'
import type { Questions } from './questions.ts'

/** Those whom it concerns which nodes there are. */
export interface Concerned {
  readonly members: Members
  readonly introductions: Introductions
  readonly presence: Presence
  readonly questions: Questions
  readonly standing: OwnStanding
  readonly events: Emitter<ClusterEvents>
  /** This node has a lease. */
  hold(self: NodeRecord): void
}

/** Passes on what the registry tells: first to the parts of this node, in an order in which each is right, then as events. */
export function registryListener(concerned: Concerned): RegistryEvents {
  const { members, introductions, presence, questions, standing, events } = concerned
  return {
    joined(node) {
      members.joined(node)
      introductions.joined(node)
      presence.nodeJoined(node.id)
      events.emit('node.joined', { node })
    },
    changed(node) {
      members.changed(node)
      events.emit('node.changed', { node })
    },
    suspected(node) {
      members.suspect(node.id)
      questions.gone(node.id, 'suspected')
      events.emit('node.suspected', { node })
    },
    recovered(node) {
      members.recovered(node.id)
      events.emit('node.recovered', { node })
    },
    left(node, why) {
      members.left(node)
      questions.gone(node.id, 'left')
      presence.nodeLeft(node.id)
      events.emit('node.left', { node, why })
    },
    lost(why) {
      standing.lose()
      events.emit('lease.lost', { why })
    },
    doubted() {
      standing.doubt(true)
      events.emit('lease.doubted', {})
    },
    regained(self) {
      concerned.hold(self)
      events.emit('lease.regained', { node: self })
    },
    down(reason) {
      members.unlisted()
      events.emit('registry.down', { reason })
    },
    up() {
      members.listed()
      standing.doubt(false)
      events.emit('registry.up', {})
    },
  }
}
