import { describe, expect, test } from 'vitest'
import { topicsContract } from '../contract/topics-contract.ts'
import { transportContract } from '../contract/transport-contract.ts'
import { RecordingOwner, startBun } from '../contract/transport-rig.ts'
import { Message } from '../message.ts'
import { BunTransport } from './bun-transport.ts'

if ('Bun' in globalThis) {
  transportContract("Bun's server", startBun)
  topicsContract("Bun's server", startBun)
} else describe("the transport port over Bun's server", () => test.skip('runs on Bun only', () => {}))

test('a server whose connections are gone is forgotten when another one comes', () => {
  const accept = () => ({ accept: true, protocol: null, owner: new RecordingOwner() }) as const
  const options = { maxMessage: 1024, compression: false, closeTimeout: 1000, failed() {} }
  const transport = new BunTransport({ ...options, admit: accept })
  const published: string[] = []
  const enter = (name: string, pendingWebSockets: number) =>
    transport.upgrade(new Request('http://127.0.0.1/'), {
      upgrade: () => true,
      publish: () => published.push(name),
      pendingWebSockets,
      requestIP: () => null,
    })
  enter('empty', 0)
  enter('busy', 1)
  enter('new', 0)
  transport.publish('topic', new Message('x'))
  expect(published).toEqual(['busy', 'new'])
})
