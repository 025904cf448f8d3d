import type { Emitter } from '../core/emitter.ts'
import type { ClusterNode } from './cluster/cluster-node.ts'
import type { HubEvents } from './events.ts'
import type { HubLog } from './log.ts'
import { allUsers } from './names.ts'

const away = {
  bus: 'the broker is away: only this node is served',
  registry: 'the registry is away: which nodes there are stays as it was',
} as const
const back = { bus: 'the broker is back', registry: 'the registry is back' } as const
const lost = {
  expired: 'the others have forgotten this node: it joins again',
  replaced: 'another process runs as this node: this one stays out of the cluster',
} as const

/** Tells a hub's listeners, and its log, what its cluster half tells. */
export function forwardClusterEvents(
  { events: from }: ClusterNode,
  to: Emitter<HubEvents<unknown>>,
  log: HubLog,
): void {
  from.on('node.joined', ({ node }) => {
    log.info({ event: 'node.joined', node: node.id }, 'a node has joined')
    to.emit('nodeJoined', { node })
  })
  from.on('node.changed', ({ node }) => to.emit('nodeChanged', { node }))
  from.on('node.suspected', ({ node }) => {
    log.warn({ event: 'node.suspected', node: node.id }, 'a node is silent')
    to.emit('nodeSuspected', { node })
  })
  from.on('node.recovered', ({ node }) => to.emit('nodeRecovered', { node }))
  from.on('node.left', ({ node, why }) => {
    log.info({ event: 'node.left', node: node.id, why }, 'a node has left')
    to.emit('nodeLeft', { node, why })
  })
  from.on('lease.lost', ({ why }) => {
    log.warn({ event: 'lease.lost', why }, lost[why])
    to.emit('leaseLost', { why })
  })
  from.on('lease.doubted', () => {
    log.warn({ event: 'lease.doubted' }, 'the others may have forgotten this node: it is not ready')
  })
  from.on('lease.regained', () => to.emit('leaseRegained', {}))
  for (const part of ['bus', 'registry'] as const) {
    from.on(`${part}.down`, ({ reason }) => {
      log.warn({ event: `${part}.down`, reason }, away[part])
      to.emit('brokerLost', { part, reason })
    })
    from.on(`${part}.up`, () => {
      log.info({ event: `${part}.up` }, back[part])
      to.emit('brokerBack', { part })
    })
  }
  from.on('node.deafened', () => {
    log.warn(
      { event: 'node.deafened' },
      'nothing that this node publishes to itself arrives: it connects anew',
    )
    to.emit('deaf', {})
  })
  from.on('ready.changed', ({ ready }) => to.emit('ready', { ready }))
  from.on('presence.joined', ({ room, user }) => {
    if (room === allUsers) to.emit('userOnline', { user })
    else to.emit('userJoined', { room, user })
  })
  from.on('presence.left', ({ room, user }) => {
    if (room === allUsers) to.emit('userOffline', { user })
    else to.emit('userLeft', { room, user })
  })
  from.on('history.lost', (gap) => {
    log.warn({ event: 'history.lost', ...gap }, 'messages of a room with history are gone')
    to.emit('gap', gap)
  })
}
