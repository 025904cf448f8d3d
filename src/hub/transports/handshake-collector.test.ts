import { describe, expect, test } from 'vitest'
import type { TransportOptions } from '../transport.ts'
import { BunTransport } from './bun-transport.ts'
import { HandshakeCollector, type RuntimeMemory } from './handshake-collector.ts'

/** What is to happen later, by delay; what was cancelled is gone. */
class FakeClock {
  readonly due = new Map<() => void, number>()

  after(delay: number, fire: () => void): () => void {
    this.due.set(fire, delay)
    return () => this.due.delete(fire)
  }

  ring(): void {
    const [[fire] = []] = this.due
    if (fire === undefined) throw new Error('nothing is due')
    this.due.delete(fire)
    fire()
  }
}

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
    const collector = new HandshakeCollector(memory, new FakeClock())
    for (let i = 0; i < 499; i++) collector.count()
    expect(memory).toMatchObject({ collections: 0, asked: 0 })
    collector.count()
    expect(memory.collections).toBe(1)
    for (let i = 0; i < 1499; i++) collector.count()
    expect(memory.collections).toBe(3)
    collector.count()
    expect(memory.collections).toBe(4)
  })

  test('is collected once more, a second after the last time', () => {
    const memory = new FakeMemory()
    const clock = new FakeClock()
    const collector = new HandshakeCollector(memory, clock)
    for (let i = 0; i < 1200; i++) collector.count()
    expect(memory.collections).toBe(2)
    expect([...clock.due.values()]).toEqual([1000])
    clock.ring()
    expect(memory.collections).toBe(3)
    expect(clock.due.size).toBe(0)
  })

  test('is left to the runtime while the process is large', () => {
    const memory = new FakeMemory()
    const collector = new HandshakeCollector(memory, new FakeClock())
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
