import type { Joined, Position } from '../../../src/hub.ts'

/** One message of the traffic, as it can be told from every other. */
export interface Sent {
  readonly room: string
  /** The life of the node that sent it: its name and a random part. */
  readonly node: string
  /** Counted by that node for each room, from 1. */
  readonly seq: number
  /** The connection that wanted it sent: the client's name and which of its connections. */
  readonly sender: string
  /** Counted by that connection for each room, from 1. */
  readonly n: number
}

/** What a client says: JSON, one message each. */
export type FromClient =
  /** Without `since`: a room without history. */
  | { readonly do: 'join'; readonly room: string; readonly since?: Position | null }
  | { readonly do: 'say'; readonly room: string; readonly sender: string; readonly n: number }

/** What a client is told. */
export type ToClient =
  | { readonly is: 'plain'; readonly sent: Sent }
  /** Of a room with history; without a position when it could not be kept. */
  | { readonly is: 'placed'; readonly sent: Sent; readonly position: Position | null }
  | { readonly is: 'in'; readonly room: string; readonly joined: Joined | null }
  | { readonly is: 'gap'; readonly room: string; readonly after: Position; readonly before: Position }

/** Rooms by what they have. */
export const hasHistory = (room: string): boolean => room.startsWith('h') || room.startsWith('b')
export const hasPresence = (room: string): boolean => room.startsWith('p') || room.startsWith('b')

/** A quarter each: plain, with history, with presence, with both. */
export function roomNames(count: number): string[] {
  return Array.from({ length: count }, (_, index) => `${'rhpb'[index % 4]}-${index}`)
}
