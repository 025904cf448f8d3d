import { expect, test } from 'vitest'
import type { LeaseTimes, NodeFacts, RegistryEvents } from '../cluster.ts'
import { unavailable } from '../cluster-error.ts'
import { VirtualClock } from '../contract/virtual-clock.ts'
import { LeaseRegistry } from './lease-registry.ts'
import type { LeaseEntry, LeaseTable } from './lease-table.ts'
import { emptyView, type LeaseView, observeLeases } from './observe-leases.ts'

const times: LeaseTimes = { beat: 3_000, suspect: 7_000, dead: 15_000 }

function entry(id: string, incarnation: number, beat = 1, closed = false): LeaseEntry {
  return { node: { id, incarnation, address: null, state: 'active', connections: 0 }, beat, closed }
}

/** A store whose steps fail or wait when the test says so. */
class Table implements LeaseTable {
  readonly entries = new Map<string, LeaseEntry>()
  /** What is called, by name. */
  readonly calls: string[] = []
  broken: (step: string) => boolean = () => false
  gate: Promise<void> | null = null
  connected: Promise<void> = Promise.resolve()

  start(): Promise<void> {
    return this.connected
  }

  async close(): Promise<void> {}

  acquire(facts: NodeFacts): Promise<number> {
    return this.#step('acquire', () => {
      const incarnation = (this.entries.get(facts.id)?.node.incarnation ?? 0) + 1
      this.entries.set(facts.id, entry(facts.id, incarnation))
      return incarnation
    })
  }

  beat(facts: NodeFacts, incarnation: number): Promise<'held' | 'expired' | 'replaced'> {
    return this.#step('beat', () => {
      const there = this.entries.get(facts.id)
      if (there?.node.incarnation !== incarnation) return there === undefined ? 'expired' : 'replaced'
      this.entries.set(facts.id, { ...there, beat: there.beat + 1 })
      return 'held'
    })
  }

  list(): Promise<readonly LeaseEntry[]> {
    return this.#step('list', () => [...this.entries.values()])
  }

  expire({ node }: LeaseEntry): Promise<void> {
    return this.#step('expire', () => void this.entries.delete(node.id))
  }

  release(id: string): Promise<void> {
    return this.#step('release', () => void this.entries.delete(id))
  }

  async #step<T>(name: string, work: () => T): Promise<T> {
    this.calls.push(name)
    if (this.broken(name)) throw unavailable(`no ${name} now`)
    const made = work()
    await this.gate
    return made
  }
}

function rig() {
  const clock = new VirtualClock()
  const table = new Table()
  const told: string[] = []
  const events = Object.fromEntries(
    ['joined', 'changed', 'suspected', 'recovered', 'left', 'lost', 'doubted', 'regained', 'down', 'up'].map(
      (name) => [name, (what?: unknown) => told.push(typeof what === 'string' ? `${name} ${what}` : name)],
    ),
  ) as unknown as RegistryEvents
  const log = { info() {}, warn() {} }
  const registry = new LeaseRegistry(table, times, clock, log)
  const facts = (): NodeFacts => ({ id: 'a', address: null, state: 'active', connections: 0 })
  const start = (patience = 10_000) => registry.start(facts, events, patience)
  return { clock, table, told, registry, start }
}

test('a node is among the nodes before it has a lease, of no incarnation', async () => {
  const { clock, table, registry, start } = rig()
  table.broken = () => true
  start().catch(() => {})
  await clock.advance(100)
  expect(registry.nodes()).toMatchObject([{ id: 'a', incarnation: 0 }])
  table.broken = () => false
  await clock.advance(2_000)
  expect(registry.nodes()).toMatchObject([{ id: 'a', incarnation: 1 }])
})

test('a start that runs out of patience says what the store said last', async () => {
  const { clock, table, told, start } = rig()
  table.broken = () => true
  const started = start(5_000)
  started.catch(() => {})
  await clock.advance(6_000)
  await expect(started).rejects.toThrow('no lease within 5000 ms: no acquire now')
  expect(told).toEqual(['down no lease within 5000 ms: no acquire now'])
})

test('a lease that was taken late is told after the nodes that are there', async () => {
  const { clock, table, told, start } = rig()
  table.entries.set('b', entry('b', 1))
  table.broken = () => true
  start(1_000).catch(() => {})
  await clock.advance(2_000)
  table.broken = (step) => step === 'list'
  await clock.advance(2_000)
  // Not before: it could ask nobody.
  expect(told.slice(1)).toEqual([])
  table.broken = () => false
  await clock.advance(2_000)
  expect(told.slice(1)).toEqual(['joined', 'regained', 'up'])
})

test('a lease that is taken while the registry closes is given back', async () => {
  const { clock, table, registry, start } = rig()
  const gate = Promise.withResolvers<void>()
  table.gate = gate.promise
  start().catch(() => {})
  await clock.advance(10)
  const closing = registry.close()
  await clock.advance(10)
  gate.resolve()
  await clock.advance(10)
  await closing
  expect(table.calls).toEqual(['acquire', 'release'])
})

test('a node doubts its lease when it could not beat for so long that others may have ended it', async () => {
  const { clock, table, told, start } = rig()
  void start()
  await clock.advance(4_000)
  table.broken = () => true
  await clock.advance(14_000 - 1)
  expect(told).toEqual(['down no list now'])
  // The last beat was at 3 s.
  await clock.advance(1)
  expect(told.slice(1)).toEqual(['doubted'])
  table.broken = () => false
  await clock.advance(2_000)
  expect(told.slice(2)).toEqual(['up'])
  table.entries.clear()
  await clock.advance(4_000)
  expect(told.slice(3)).toEqual(['lost expired', 'regained'])
})

test('a look that is asked for comes soon, and not more often than ten times a second', async () => {
  const { clock, table, told, registry, start } = rig()
  void start()
  await clock.advance(500)
  table.entries.set('b', entry('b', 1))
  registry.refresh()
  await clock.advance(1)
  expect(told).toEqual(['joined'])
  const before = table.calls.length
  for (let index = 0; index < 500; index++) {
    registry.refresh()
    await clock.advance(1)
  }
  expect(table.calls.length - before).toBeLessThanOrEqual(5)
})

test('a node that is gone has left also when the store was set back to an earlier life of it', () => {
  let view: LeaseView = emptyView
  const told: string[] = []
  let listed: LeaseEntry[] = [entry('b', 6)]
  for (let now = 0; now < 60_000; now += 1_000) {
    if (now === 2_000) listed = [entry('b', 5, 9)]
    const { view: next, changes } = observeLeases(view, listed, now, times, 'a')
    view = next
    for (const change of changes) {
      told.push(`${now} ${change.kind}`)
      if (change.kind === 'expire') listed = []
    }
  }
  expect(told).toEqual(['0 joined', '7000 suspected', '15000 expire', '16000 left'])
})

test('one that lives and takes a new lease there, has left and joined', () => {
  let view: LeaseView = emptyView
  const told: string[] = []
  for (const listed of [entry('b', 6), entry('b', 5, 9), entry('b', 7)]) {
    const { view: next, changes } = observeLeases(view, [listed], 0, times, 'a')
    view = next
    told.push(...changes.map(({ kind }) => kind))
  }
  expect(told).toEqual(['joined', 'left', 'joined'])
})

test('what is said of a new node before the store is connected takes no lease, and no second one', async () => {
  const { clock, table, told, registry, start } = rig()
  const { promise, resolve } = Promise.withResolvers<void>()
  table.connected = promise
  const slow = Promise.withResolvers<void>()
  table.gate = slow.promise
  const started = start()
  await clock.advance(100)
  registry.refresh()
  await clock.advance(100)
  const early = [...table.calls]
  resolve()
  await clock.advance(100)
  table.gate = null
  slow.resolve()
  await clock.advance(10_000)
  expect(await started).toMatchObject({ incarnation: 1 })
  expect([early, told]).toEqual([[], []])
})

test('a node that doubted its lease and finds itself replaced says that the store is back', async () => {
  const { clock, table, told, start } = rig()
  void start()
  await clock.advance(1_000)
  table.broken = () => true
  await clock.advance(20_000)
  table.entries.set('a', entry('a', 2))
  table.broken = () => false
  await clock.advance(5_000)
  expect(told).toEqual(['down no list now', 'doubted', 'lost replaced', 'up'])
})
