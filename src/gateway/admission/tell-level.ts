import type { GatewayEmitter } from '../events.ts'
import type { Log } from '../log.ts'
import type { WaitingRoom } from './waiting-room.ts'

/** Tells that a waiting room has become full, is filling, or is calm again. */
export function tellLevel(
  { log, events }: { readonly log: Log; readonly events: GatewayEmitter },
  { name: pool, level, waiting, capacity: size }: WaitingRoom<unknown>,
): void {
  const change = { pool, level, waiting, size }
  const line = { event: 'room.level', ...change }
  const text = `${waiting} of ${size} wait for a seat in pool ${pool}`
  if (level === 'calm') log.info(line, text)
  else log.warn(line, level === 'full' ? `the waiting room is full: ${text}` : text)
  if (events.listens('room.level')) events.emit('room.level', change)
}
