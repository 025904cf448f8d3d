import type { Address } from '../local.ts'

/**
 * The channels of a hub. `room.` while a node has members of it, `user.` while it has connections of the user,
 * `presence.` while somebody looks at it, `node.` of itself and `all` always.
 */
export const everybody = 'all'

export function roomChannel(room: string): string {
  return `room.${room}`
}

export function userChannel(user: string): string {
  return `user.${user}`
}

export function nodeChannel(node: string): string {
  return `node.${node}`
}

export function presenceChannel(room: string): string {
  return `presence.${room}`
}

/** The room of a `room.` channel. */
export function roomOf(channel: string): string | null {
  return channel.startsWith('room.') ? channel.slice(5) : null
}

/** The node in a connection id: what stands before the first dot. Null when it is none. */
export function ownerOf(connectionId: string): string | null {
  const dot = connectionId.indexOf('.')
  return dot > 0 ? connectionId.slice(0, dot) : null
}

/** Where an order for an address goes; null for a connection id that names no node. */
export function channelOf(to: Address): string | null {
  switch (to.kind) {
    case 'room':
      return roomChannel(to.name)
    case 'user':
      return userChannel(to.id)
    case 'everybody':
      return everybody
    case 'connection': {
      const owner = ownerOf(to.id)
      return owner === null ? null : nodeChannel(owner)
    }
  }
}

/** Whether another node gave an address. */
export function isAddress(value: unknown): value is Address {
  if (typeof value !== 'object' || value === null || !('kind' in value)) return false
  if (value.kind === 'everybody') return true
  if (value.kind === 'room') return 'name' in value && typeof value.name === 'string'
  return (
    (value.kind === 'user' || value.kind === 'connection') && 'id' in value && typeof value.id === 'string'
  )
}
