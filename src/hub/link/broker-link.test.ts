import { expect, test } from 'vitest'
import type { BusEvents } from '../cluster.ts'
import { unavailable } from '../cluster-error.ts'
import { quickLease } from '../contract/cluster-rig.ts'
import { VirtualClock } from '../contract/virtual-clock.ts'
import { BrokerLink, type LinkPart } from './broker-link.ts'

/** What a link makes anew: a test says how that ends. */
class StubCircuit {
  readonly lose: (reason: string) => void
  closed = false

  constructor(lose: (reason: string) => void) {
    this.lose = lose
  }

  close(): void {
    this.closed = true
  }
}

class Rig {
  readonly clock = new VirtualClock()
  readonly lines: string[] = []
  readonly circuits: StubCircuit[] = []
  readonly attempts: number[] = []
  /** What an attempt waits for, and fails by. */
  connect: (circuit: StubCircuit) => Promise<void> = async () => {}
  readonly link: BrokerLink<StubCircuit>

  constructor(random = 1) {
    const note = (fields: object, message: string) =>
      void this.lines.push(`${message} ${JSON.stringify(fields)}`)
    const options = { namespace: 'n', lease: quickLease, log: { info: note, warn: note } }
    const way = {
      name: 'Stub',
      connect: async (lost: (reason: string) => void) => {
        this.attempts.push(this.clock.now())
        const circuit = new StubCircuit(lost)
        this.circuits.push(circuit)
        await this.connect(circuit)
        return circuit
      },
    }
    this.link = new BrokerLink<StubCircuit>(way, options, this.clock, () => random)
  }

  get last(): StubCircuit {
    return this.circuits.at(-1) as StubCircuit
  }
}

class StubPart implements LinkPart<StubCircuit> {
  readonly told: string[] = []
  readonly events?: BusEvents
  attached: (circuit: StubCircuit) => Promise<void> = async () => {}

  constructor(isBus: boolean) {
    if (!isBus) return
    const tell = (what: string) => () => void this.told.push(what)
    this.events = { message() {}, up: tell('up'), down: (reason) => void this.told.push(`down: ${reason}`) }
  }

  async attach(circuit: StubCircuit): Promise<void> {
    this.told.push('attach')
    await this.attached(circuit)
  }

  stand(): void {
    this.told.push('stand')
  }

  detach(): void {
    this.told.push('detach')
  }
}

/** How a promise stands: `pending`, `done`, or why it was rejected. */
function stateOf(promise: Promise<void>): { now: string } {
  const state = { now: 'pending' }
  promise.then(
    () => (state.now = 'done'),
    (error: Error) => (state.now = error.message),
  )
  return state
}

test('parts share one connection, and each is attached before it stands', async () => {
  const { clock, link, attempts } = new Rig()
  const [bus, other, late] = [new StubPart(true), new StubPart(false), new StubPart(false)]
  const opened = [link.open(bus, 5_000, bus), link.open(other, 5_000, other), link.open({}, 5_000)].map(
    stateOf,
  )
  expect(() => link.current).toThrow('not connected to Stub')
  await clock.advance(0)
  expect(opened.map(({ now }) => now)).toEqual(['done', 'done', 'done'])
  const after = stateOf(link.open(late, 5_000, late))
  await clock.advance(0)
  expect(after.now).toBe('done')
  for (const { told } of [bus, other, late]) expect(told).toEqual(['attach', 'stand'])
  expect([attempts.length, link.up]).toEqual([1, true])
})

test('one that comes while the others are being attached is attached as well', async () => {
  const { clock, link, attempts } = new Rig()
  const [first, second] = [new StubPart(false), new StubPart(false)]
  first.attached = async () => {
    void link.open(second, 5_000, second)
  }
  await link.open(first, 5_000, first)
  await clock.advance(0)
  expect([second.told, attempts.length]).toEqual([['attach', 'stand'], 1])
})

test('what is lost is told, and made anew after a moment with everything attached', async () => {
  const rig = new Rig()
  const { clock, link, attempts } = rig
  const bus = new StubPart(true)
  void link.open(bus, 5_000, bus)
  await clock.advance(1_000)
  const before = rig.last
  before.lose('cut')
  before.lose('again')
  await clock.advance(49)
  expect([link.up, before.closed, attempts.length]).toEqual([false, true, 1])
  await clock.advance(1)
  expect(attempts).toEqual([0, 1_050])
  expect(bus.told).toEqual(['attach', 'stand', 'detach', 'down: cut', 'attach', 'stand', 'up'])
  before.lose('late')
  expect(link.up).toBe(true)
  expect(rig.lines).toEqual([
    'the connection to Stub is lost {"reason":"cut"}',
    'Stub is reached {"event":"stub.up"}',
  ])
})

test('attempts come at longer distances, a beat at most, and one line says why', async () => {
  const rig = new Rig()
  rig.connect = async () => {
    throw unavailable('no way')
  }
  void rig.link.open({}, 60_000)
  await rig.clock.advance(1_100)
  expect(rig.attempts).toEqual([0, 50, 150, 350, 650, 950])
  expect(rig.lines).toEqual(['Stub cannot be reached {"reason":"no way"}'])
})

test('one that falls as soon as it stands is tried as seldom as one that never stands', async () => {
  const rig = new Rig()
  const bus = new StubPart(true)
  void rig.link.open(bus, 5_000, bus)
  bus.attached = async (circuit) => void rig.clock.after(1, () => circuit.lose('no master'))
  await rig.clock.advance(10_000)
  expect(rig.attempts.length).toBeLessThan(40)
  expect(bus.told.filter((each) => each === 'up').length).toBeLessThan(40)
  bus.attached = async () => {}
  await rig.clock.advance(1_000)
  expect(rig.link.up).toBe(true)
  const tried = rig.attempts.length
  rig.last.lose('cut')
  await rig.clock.advance(50)
  expect(rig.attempts.length).toBe(tried + 1)
})

test('the wait has full jitter', async () => {
  const rig = new Rig(0.2)
  void rig.link.open({}, 5_000)
  await rig.clock.advance(400)
  rig.link.reconnect('the test says so')
  await rig.clock.advance(10)
  expect(rig.attempts).toEqual([0, 410])
})

test('what is lost before it is used is not used', async () => {
  const rig = new Rig()
  rig.connect = async (circuit) => {
    if (rig.attempts.length === 1) circuit.lose('at once')
  }
  const bus = new StubPart(true)
  bus.attached = async (circuit) => {
    if (rig.attempts.length === 2) circuit.lose('while attaching')
  }
  void rig.link.open(bus, 5_000, bus)
  await rig.clock.advance(1_000)
  expect(rig.circuits.map(({ closed }) => closed)).toEqual([true, true, false])
  expect(bus.told.filter((each) => each !== 'attach')).toEqual(['stand'])
})

test('a part that cannot be attached takes the link down, also when it comes late', async () => {
  const rig = new Rig()
  const [bus, late] = [new StubPart(true), new StubPart(false)]
  void rig.link.open(bus, 5_000, bus)
  await rig.clock.advance(1_000)
  late.attached = async () => {
    if (rig.attempts.length < 3) throw unavailable('not yet')
  }
  const opened = stateOf(rig.link.open(late, 5_000, late))
  await rig.clock.advance(2_000)
  expect(opened.now).toBe('done')
  expect(bus.told.filter((each) => /up|down/.test(each))).toEqual(['down: not yet', 'up'])
})

test('patience ends, trying does not: a bus is told `down` then, and `up` once it stands', async () => {
  const rig = new Rig()
  rig.connect = async () => {
    if (rig.clock.now() < 500) throw unavailable('no way')
  }
  const bus = new StubPart(true)
  const opened = stateOf(rig.link.open(bus, 200, bus))
  await rig.clock.advance(300)
  expect(opened.now).toBe('Stub cannot be reached: not connected within 200 ms: no way')
  await rig.clock.advance(1_000)
  expect(bus.told).toEqual(['down: not connected within 200 ms: no way', 'attach', 'stand', 'up'])
})

test('a part that closes while it waits is told so, and the others wait on', async () => {
  const rig = new Rig()
  rig.connect = async () => {
    throw unavailable('no way')
  }
  const [one, other] = [{}, {}]
  const [first, second] = [stateOf(rig.link.open(one, 60_000)), stateOf(rig.link.open(other, 60_000))]
  await rig.clock.advance(100)
  rig.link.close(one)
  await rig.clock.advance(0)
  expect([first.now, second.now]).toEqual(['closed', 'pending'])
})

test('with the last part all ends: what stands, what is being made, and the wait for the next attempt', async () => {
  const standing = new Rig()
  const bus = new StubPart(true)
  void standing.link.open(bus, 5_000, bus)
  await standing.clock.advance(0)
  standing.link.close(bus)
  standing.last.lose('late')
  await standing.clock.advance(1_000)
  expect([standing.last.closed, standing.attempts.length, standing.clock.size]).toEqual([true, 1, 0])
  expect(bus.told).toEqual(['attach', 'stand'])

  const making = new Rig()
  const gate = Promise.withResolvers<void>()
  making.connect = () => gate.promise
  const opened = stateOf(making.link.open(making, 5_000))
  await making.clock.advance(0)
  making.link.close(making)
  gate.resolve()
  await making.clock.advance(1_000)
  expect([opened.now, making.last.closed, making.link.up, making.clock.size]).toEqual([
    'closed',
    true,
    false,
    0,
  ])

  const attaching = new Rig()
  const part = new StubPart(false)
  part.attached = () => new Promise(() => {})
  void attaching.link.open(part, 5_000, part).catch(() => {})
  await attaching.clock.advance(0)
  attaching.link.close(part)
  expect(attaching.last.closed).toBe(true)

  const waiting = new Rig()
  waiting.connect = async () => {
    throw unavailable('no way')
  }
  void waiting.link.open(waiting, 5_000).catch(() => {})
  await waiting.clock.advance(100)
  waiting.link.close(waiting)
  expect(waiting.clock.size).toBe(0)
  await waiting.clock.advance(1_000)
  const { length } = waiting.attempts
  waiting.connect = async () => {}
  await waiting.link.open(waiting, 5_000)
  expect(waiting.attempts.length).toBe(length + 1)
})
