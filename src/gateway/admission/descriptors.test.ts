import { expect, test } from 'vitest'
import { Emitter } from '../../core/emitter.ts'
import { Timers } from '../timers.ts'
import { descriptorLimit, openDescriptors } from './descriptor-limit.ts'
import { Descriptors } from './descriptors.ts'

const note = () => {}
const log = { debug: note, info: note, warn: note, error: note }

/** Those of a gateway with so many clients, none of which is one of this process. */
function made() {
  const timers = new Timers()
  const clients = { size: 0 }
  const given = { up: 0 }
  const descriptors = new Descriptors({
    timers,
    log,
    events: new Emitter(),
    reuse: { shed: () => false },
    clients,
    tunnels: { size: 0 },
    backendConnections: { size: 0 },
    givenUpConnects: () => given.up,
    limits: () => ({}),
  })
  const stop = () => {
    descriptors.stop()
    timers.stop()
  }
  return { descriptors, clients, given, stop }
}

test('connects that were given up and have a descriptor all the same leave none for others', () => {
  const { descriptors, given, stop } = made()
  descriptors.start()
  expect(descriptors.mayConnect()).toBe(true)
  given.up = descriptorLimit()
  expect([descriptors.mayConnect(), descriptors.level]).toEqual([false, 'exhausted'])
  given.up = 0
  expect(descriptors.mayConnect()).toBe(true)
  stop()
})

test.skipIf(openDescriptors() === null)(
  'clients that came before it was asked how many descriptors are open are counted once',
  () => {
    const [early, late] = [made(), made()]
    early.clients.size = 2
    early.descriptors.start()
    late.descriptors.start()
    // Two clients less are presumed to be somebody else's, so there may be one more, rounded.
    expect(early.descriptors.clientLimit).toBe(late.descriptors.clientLimit + 1)
    early.stop()
    late.stop()
  },
)
