import { expect, test } from 'vitest'
import type { Socket } from '../../net/socket.ts'
import { Timers } from '../timers.ts'
import { RefusedClients } from './refused-clients.ts'

test('a refused client counts as a descriptor until it has gone, and no longer', () => {
  const timers = new Timers()
  const descriptors = { refusing: 0 }
  const refused = new RefusedClients(timers, descriptors)
  const sockets = Array.from({ length: 4 }, () => {
    return { context: null, handler: null, write: () => true, end() {}, close() {} } as unknown as Socket
  })
  for (const socket of sockets) refused.add(socket, new Uint8Array(1), 3)
  // The oldest had to go for the last.
  expect(descriptors.refusing).toBe(3)
  sockets[1]?.handler.onClose(sockets[1], null)
  expect(descriptors.refusing).toBe(2)
  refused.abort()
  expect(descriptors.refusing).toBe(0)
  timers.stop()
})
