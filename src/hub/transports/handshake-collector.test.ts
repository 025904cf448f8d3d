import { describe, expect, test } from 'vitest'
import type { TransportOptions } from '../transport.ts'
import { BunTransport } from './bun-transport.ts'
import { HandshakeCollector, type RuntimeMemory } from './handshake-collector.ts'

class FakeMemory implements RuntimeMemory {
  collections = 0
  asked = 0
  resident = 80e6

  residentBytes(): number {
    this.asked++
    return this.resident
  }

  collect(): void {
    this.collections++
  }
}

const refusing: TransportOptions = {
  maxMessage: 1,
  compression: false,
  closeTimeout: 1,
  admit: () => ({ accept: false, status: 403, body: '' }),
  failed: () => {},
}

describe('the garbage of handshakes', () => {
  test('is collected once for every 500 of them', () => {
    const memory = new FakeMemory()
    const collector = new HandshakeCollector(memory)
    for (let i = 0; i < 499; i++) collector.count()
    expect(memory).toMatchObject({ collections: 0, asked: 0 })
    collector.count()
    expect(memory.collections).toBe(1)
    for (let i = 0; i < 1499; i++) collector.count()
    expect(memory.collections).toBe(3)
    collector.count()
    expect(memory.collections).toBe(4)
  })

  test('is left to the runtime while the process is large', () => {
    const memory = new FakeMemory()
    const collector = new HandshakeCollector(memory)
    memory.resident = 500e6
    for (let i = 0; i < 2000; i++) collector.count()
    expect(memory).toMatchObject({ collections: 0, asked: 4 })
    memory.resident = 100e6
    for (let i = 0; i < 500; i++) collector.count()
    expect(memory.collections).toBe(1)
  })

  test('of those that are refused, too', () => {
    const memory = new FakeMemory()
    const transport = new BunTransport(refusing, memory)
    const server = { upgrade: () => false, publish: () => 0, pendingWebSockets: 0, requestIP: () => null }
    for (let i = 0; i < 500; i++) void transport.upgrade(new Request('http://a.example/'), server)
    expect(memory.collections).toBe(1)
  })
})
