import { afterEach, expect, test } from 'vitest'
import { eventually } from './support/eventually.ts'
import { acceptUpgrade } from './support/handshakes.ts'
import { type Asking, ask, seatsAreTunnels } from './support/seats.ts'
import { Stage } from './support/stage.ts'

const stage = new Stage()
afterEach(() => stage.close())

/** How long the event loop, which backends, gateway and clients share here, was held up at most. */
class Stalls {
  longest = 0
  #running = true

  constructor() {
    let last = performance.now()
    const turn = () => {
      const now = performance.now()
      this.longest = Math.max(this.longest, now - last)
      last = now
      if (this.#running) setImmediate(turn)
    }
    turn()
  }

  stop(): void {
    this.#running = false
  }
}

/** A backend that takes every WebSocket and remembers when each came. */
async function counting() {
  const arrivals: number[] = []
  const backend = await stage.raw((wire) => {
    arrivals.push(performance.now())
    return acceptUpgrade(wire)
  })
  return { address: backend.address, arrivals }
}

/** Most arrivals in any window of so many milliseconds. */
function busiest(arrivals: readonly number[], window: number): number {
  let most = 0
  for (let from = 0, to = 0; from < arrivals.length; from++) {
    while (to < arrivals.length && (arrivals[to] as number) - (arrivals[from] as number) < window) to++
    most = Math.max(most, to - from)
  }
  return most
}

test('a storm of reconnects reaches each backend at its rate, and everybody gets in (mattermost#10960)', async () => {
  const backends = [await counting(), await counting()]
  const rate = { perSecond: 100, burst: 4 }
  const running = await stage.gateway({
    trustedProxies: ['127.0.0.1'],
    pools: { main: { backends: backends.map(({ address }) => address), connectRate: rate } },
  })
  const { gateway } = running
  const stalls = new Stalls()
  const startedAt = performance.now()
  const asking = await Promise.all(
    Array.from({ length: 400 }, (_, index) => ask(stage, running, `192.0.2.${index % 100}`)),
  )
  const allAsked = performance.now()
  const statuses = (await Promise.all(asking.map(({ answer }) => answer))).map(({ status }) => status)
  const took = performance.now() - startedAt
  stalls.stop()
  expect(new Set(statuses)).toEqual(new Set([101]))
  for (const { arrivals } of backends) {
    // Whatever the clock of this test does: an arrival is seen after it was let through, so up to any moment there
    // are at most as many as the rate lets through until then.
    for (const [index, at] of arrivals.entries()) {
      expect(index + 1).toBeLessThanOrEqual(rate.burst + (rate.perSecond * (at - startedAt)) / 1000 + 1e-6)
    }
    // What was let through while the loop was held up is seen together, behind it.
    const slack = (rate.perSecond * stalls.longest) / 1000 + 1
    for (const window of [100, 1000]) {
      const most = rate.burst + (rate.perSecond * window) / 1000 + slack
      expect(busiest(arrivals, window)).toBeLessThanOrEqual(most)
    }
    expect(Math.abs(arrivals.length - 200)).toBeLessThan(20)
  }
  // The ideal queue is 2 s; no more is lost than the storm itself and a busy machine cost.
  expect(took).toBeLessThan(2000 + (allAsked - startedAt) + 2000)
  expect(gateway.admission).toMatchObject({ seats: 400, waiting: 0 })
  expect(seatsAreTunnels(running)).toBe(true)
})

test('two clients take turns, however many connections one of them wants', async () => {
  const backend = await counting()
  const running = await stage.gateway({
    trustedProxies: ['127.0.0.1'],
    pools: { main: { backends: [backend.address], connectRate: { perSecond: 100, burst: 1 } } },
  })
  const order: string[] = []
  const follow = async (name: string, { answer }: Asking) => {
    const { status } = await answer
    expect(status).toBe(101)
    order.push(name)
  }
  const all: Promise<void>[] = []
  const floods: Asking[] = []
  for (let index = 0; index < 60; index++) {
    const asking = await ask(stage, running, '192.0.2.66')
    floods.push(asking)
    all.push(follow('flood', asking))
  }
  expect(await eventually(() => running.gateway.admission.waiting > 30)).toBe(true)
  const ahead = order.length
  for (let index = 0; index < 10; index++)
    all.push(follow('other', await ask(stage, running, '198.51.100.1')))
  await Promise.all(all)
  // Ten turns each from the moment the other came; some may have passed while it was coming.
  const lastOfOther = order.lastIndexOf('other')
  const floodBefore = order.slice(ahead, lastOfOther).filter((name) => name === 'flood').length
  expect(floodBefore).toBeLessThan(25)
  // In the order they came.
  expect(floods.map(({ status }) => status).every((status) => status === 101)).toBe(true)
})

test('a rate of the whole gateway holds for all pools together', async () => {
  const backends = [await counting(), await counting()]
  const running = await stage.gateway({
    admission: { rate: { perSecond: 100, burst: 2 } },
    pools: Object.fromEntries(backends.map(({ address }, index) => [`p${index}`, { backends: [address] }])),
    routes: [{ match: { headers: { 'x-forwarded-for': '192.0.2.0' } }, pool: 'p0' }, { pool: 'p1' }],
  })
  const startedAt = performance.now()
  const asking = await Promise.all(
    Array.from({ length: 80 }, (_, index) => ask(stage, running, `192.0.2.${index % 2}`)),
  )
  for (const { answer } of asking) expect((await answer).status).toBe(101)
  const arrivals = backends.flatMap((backend) => backend.arrivals).sort((one, other) => one - other)
  expect(backends.map((backend) => backend.arrivals.length)).toEqual([40, 40])
  for (const [index, at] of arrivals.entries()) {
    expect(index + 1).toBeLessThanOrEqual(2 + (100 * (at - startedAt)) / 1000 + 1e-6)
  }
})

test('another try at another backend takes a token of that one, too', async () => {
  const backend = await counting()
  const running = await stage.gateway({
    pools: {
      main: {
        policy: 'round-robin',
        ejection: { failures: 0 },
        backends: ['127.0.0.1:1', backend.address],
        connectRate: { perSecond: 50, burst: 1 },
      },
    },
  })
  const startedAt = performance.now()
  const asking = await Promise.all(Array.from({ length: 30 }, () => ask(stage, running)))
  for (const { answer } of asking) expect((await answer).status).toBe(101)
  for (const [index, at] of backend.arrivals.entries()) {
    expect(index + 1).toBeLessThanOrEqual(1 + (50 * (at - startedAt)) / 1000 + 1e-6)
  }
  expect(running.gateway.backends[0]?.connectFailures).toBeGreaterThan(0)
  expect(seatsAreTunnels(running)).toBe(true)
})
