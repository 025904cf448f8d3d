import { expect, test } from 'vitest'
import { Emitter } from '../core/emitter.ts'
import type { ClusterEvents } from './cluster/cluster-events.ts'
import type { ClusterNode } from './cluster/cluster-node.ts'
import { forwardClusterEvents } from './cluster-events.ts'
import type { HubEvents } from './events.ts'

test('the log says which part is away, and why others have forgotten this node', () => {
  const events = new Emitter<ClusterEvents>()
  const to = new Emitter<HubEvents<unknown>>()
  const lines: string[] = []
  const note = (fields: object, message: string) => {
    lines.push(`${(fields as { event: string }).event}: ${message}`)
  }
  const told: unknown[] = []
  for (const name of ['brokerLost', 'brokerBack', 'leaseLost'] as const)
    to.on(name, (what) => told.push(what))
  forwardClusterEvents({ events } as ClusterNode, to, { info: note, warn: note, error: note })
  events.emit('bus.down', { reason: 'refused' })
  events.emit('bus.up', {})
  events.emit('registry.down', { reason: 'no leader' })
  events.emit('lease.doubted', {})
  events.emit('registry.up', {})
  events.emit('lease.lost', { why: 'expired' })
  events.emit('lease.lost', { why: 'replaced' })
  expect(lines).toEqual([
    'bus.down: the broker is away: only this node is served',
    'bus.up: the broker is back',
    'registry.down: the registry is away: which nodes there are stays as it was',
    'lease.doubted: the others may have forgotten this node: it is not ready',
    'registry.up: the registry is back',
    'lease.lost: the others have forgotten this node: it joins again',
    'lease.lost: another process runs as this node: this one stays out of the cluster',
  ])
  expect(told).toEqual([
    { part: 'bus', reason: 'refused' },
    { part: 'bus' },
    { part: 'registry', reason: 'no leader' },
    { part: 'registry' },
    { why: 'expired' },
    { why: 'replaced' },
  ])
})
