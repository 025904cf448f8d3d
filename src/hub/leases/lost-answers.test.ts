import { expect, test } from 'vitest'
import type { NodeFacts, RegistryEvents } from '../cluster.ts'
import { unavailable } from '../cluster-error.ts'
import { VirtualClock } from '../contract/virtual-clock.ts'
import { LeaseRegistry } from './lease-registry.ts'
import { type LeaseStore, StoredLeases } from './stored-leases.ts'

const facts: NodeFacts = { id: 'a', address: null, state: 'active', connections: 0 }

/** A store in this process, whose answers a test keeps back or loses. */
class StubStore implements LeaseStore {
  readonly entries = new Map<string, { text: string; revision: number }>()
  /** Asked before each request is acted on, and before it is answered. */
  before: (method: string) => Promise<void> = async () => {}
  after: (method: string) => Promise<void> = async () => {}
  #revision = 0

  async start(): Promise<void> {}

  async read(id: string) {
    await this.before('read')
    const found = this.entries.get(id) ?? { text: null, revision: 0 }
    await this.after('read')
    return { ...found, floor: 1 }
  }

  async write(id: string, text: string, revision: number): Promise<number | null> {
    await this.before('write')
    const fits = (this.entries.get(id)?.revision ?? 0) === revision
    if (fits) this.entries.set(id, { text, revision: ++this.#revision })
    const written = fits ? this.#revision : null
    await this.after('write')
    return written
  }

  async remove(id: string): Promise<void> {
    this.entries.delete(id)
  }

  async list(): Promise<readonly string[]> {
    return Array.from(this.entries.values(), ({ text }) => text)
  }

  async close(): Promise<void> {}
}

function once(method: string, act: () => Promise<void>): (asked: string) => Promise<void> {
  let done = false
  return async (asked) => {
    if (done || asked !== method) return
    done = true
    await act()
  }
}

function registryOver(store: LeaseStore, clock: VirtualClock) {
  const told: string[] = []
  const events: RegistryEvents = {
    joined: () => {},
    changed: () => {},
    suspected: () => {},
    recovered: () => {},
    left: () => {},
    lost: (why) => told.push(`lost ${why}`),
    regained: () => told.push('regained'),
    down: () => told.push('down'),
    up: () => told.push('up'),
    doubted: () => told.push('doubted'),
  }
  const log = { warn() {}, info() {} }
  const times = { beat: 300, suspect: 900, dead: 1_800 }
  const registry = new LeaseRegistry(new StoredLeases(store), times, clock, log)
  return { registry, told, start: () => registry.start(() => facts, events, 5_000) }
}

test('an entry whose writing was never answered is the process’s own', async () => {
  const store = new StubStore()
  const leases = new StoredLeases(store)
  const first = (await leases.acquire(facts, null)) as number
  store.entries.clear()
  store.after = once('write', () => Promise.reject(unavailable('the answer is lost')))
  await expect(leases.acquire(facts, first)).rejects.toThrow('lost')
  const second = (await leases.acquire(facts, first)) as number
  expect(second).toBeGreaterThan(first)
  expect(await leases.beat(facts, second)).toBe('held')
})

test('a later life of one’s own is no replacement, of another process it is; an earlier one never is', async () => {
  const store = new StubStore()
  const [one, other] = [new StoredLeases(store), new StoredLeases(store)]
  const first = (await one.acquire(facts, null)) as number
  const second = (await one.acquire(facts, first)) as number
  expect(await one.beat(facts, first)).toBe('expired')
  expect(await one.beat(facts, second)).toBe('held')
  const third = (await other.acquire(facts, null)) as number
  expect(await one.beat(facts, second)).toBe('replaced')
  expect(await one.acquire(facts, second)).toBe(null)
  // The store was set back to before `one` began.
  expect(await one.beat(facts, third + 5)).toBe('expired')
  expect(await one.acquire(facts, third + 5)).toBeGreaterThan(third + 5)
})

test('a lease that is written after nobody waits for it any more is the one that is given next', async () => {
  const store = new StubStore()
  const clock = new VirtualClock()
  let answer = () => {}
  store.before = once('read', () => new Promise((resolve) => (answer = resolve)))
  const { registry, start } = registryOver(store, clock)
  const started = start()
  await clock.advance(350)
  answer()
  await clock.advance(1)
  expect(JSON.parse(store.entries.get('a')?.text ?? '{}').incarnation).toBe(1)
  await clock.advance(300)
  expect(await started).toMatchObject({ id: 'a', incarnation: 1 })
  await clock.advance(1_000)
  expect(JSON.parse(store.entries.get('a')?.text ?? '{}')).toMatchObject({ incarnation: 1, closed: false })
  await registry.close()
})

test('a lease that was given and has ended since is not given again', async () => {
  const store = new StubStore()
  const leases = new StoredLeases(store)
  expect(await leases.acquire(facts, null)).toBe(1)
  expect(await leases.acquire(facts, null)).toBe(1)
  expect(await leases.beat(facts, 1)).toBe('held')
  expect(await leases.acquire(facts, null)).toBe(2)
  const other = (await new StoredLeases(store).acquire(facts, null)) as number
  expect(await leases.acquire(facts, null)).toBeGreaterThan(other)
})

test('a node whose answer was lost after its lease had ended comes back', async () => {
  const clock = new VirtualClock()
  const store = new StubStore()
  const { registry, told, start } = registryOver(store, clock)
  const started = start()
  await clock.advance(0)
  await started
  store.entries.clear()
  store.after = async (method) => {
    const written = method === 'write' && store.entries.has('a')
    if (written && clock.now() < 1_500) throw unavailable('the answer is lost')
  }
  await clock.advance(5_000)
  expect(told).toEqual(['lost expired', 'down', 'regained', 'up'])
  await registry.close()
})

test('an answer that comes late, every time, is waited for', async () => {
  const clock = new VirtualClock()
  const store = new StubStore()
  store.after = (method) =>
    method === 'list' ? Promise.resolve() : new Promise((resolve) => clock.after(250, resolve))
  const { registry, told, start } = registryOver(store, clock)
  const started = start()
  await clock.advance(2_000)
  const { incarnation } = await started
  store.entries.clear()
  await clock.advance(5_000)
  expect(told).toEqual(['down', 'lost expired', 'regained', 'up'])
  expect(registry.nodes()[0]?.incarnation).toBeGreaterThan(incarnation)
  const closed = registry.close()
  await clock.advance(1_000)
  await closed
})

test('a node that finds another process in its place after its lease had ended says so', async () => {
  const clock = new VirtualClock()
  const store = new StubStore()
  const { registry, told, start } = registryOver(store, clock)
  const started = start()
  await clock.advance(0)
  await started
  store.entries.clear()
  // Between the beat that finds nothing and the request for a new lease.
  let reads = 0
  store.before = async (method) => {
    if (method !== 'read' || ++reads !== 2) return
    await new StoredLeases(store).acquire(facts, 7)
  }
  await clock.advance(2_000)
  expect(told).toEqual(['lost expired', 'lost replaced'])
  await registry.close()
})
