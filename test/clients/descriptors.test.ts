import { afterAll, afterEach, expect, test } from 'vitest'
import { eventually } from '../gateway/support/eventually.ts'
import { upgradeRequest } from '../gateway/support/handshakes.ts'
import { Wire } from '../gateway/support/wire.ts'
import { crowd, Visitor } from './support/crowd.ts'
import { type Balancer, Site } from './support/site.ts'

// A gateway that may have few file descriptors, and more clients than these.

const site = new Site()
const open: { close(): void }[] = []
afterEach(async () => {
  for (const one of open.splice(0)) one.close()
  await site.close()
})
afterAll(() => site.remove())

const request = 'GET /name HTTP/1.1\r\nHost: a.test\r\n\r\n'

/** How many of each outcome: a status, or `reset` for those who got none. */
type Outcomes = Map<string, number>

/** Comes, says something or nothing, and stays. */
async function come({ port }: Balancer, text: string, outcomes: Outcomes): Promise<void> {
  const note = (outcome: string) => outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1)
  try {
    const wire = await Wire.to(port)
    open.push(wire)
    wire.send(text)
    const { status, fields, body } = await wire.message()
    note(String(status))
    if (status !== 503) return
    if (body.includes('GATEWAY_FULL')) note('full')
    if (Number(fields.get('retry-after')?.[0]) > 0) note('told when')
    if ((await wire.ending()) === 'fin') note('in order')
    wire.close()
  } catch {
    note('reset')
  }
}

const linesOf = ({ program }: Balancer, event: string): { level: string }[] =>
  program.output
    .split('\n')
    .filter((line) => line.includes(`"event":"${event}"`))
    .map((line) => JSON.parse(line) as { level: string })

test('close to its last descriptor the gateway warns, then refuses politely, and keeps what it has', async () => {
  const services = await site.services('a')
  const proxy = await site.configured(services, 'log: { format: json, access: false }', '', 200)
  const guests = await crowd(proxy.port, 20)
  open.push(...guests)
  const outcomes: Outcomes = new Map()
  // Connections that are kept after a request have to go first.
  const kept = await Promise.all(
    Array.from({ length: 15 }, async () => {
      const wire = await Wire.to(proxy.port)
      open.push(wire)
      expect((await wire.send(request).message()).status).toBe(200)
      return wire
    }),
  )
  // Some who say nothing, and then a flood.
  const silent = Array.from({ length: 30 }, () => Wire.to(proxy.port))
  for (const wire of await Promise.all(silent)) open.push(wire)
  for (let wave = 0; wave < 6; wave++) {
    const flood = Array.from({ length: 60 }, () => come(proxy, upgradeRequest(), outcomes))
    await Promise.all(flood)
    expect(await (guests[wave] as Visitor).echoes(`wave ${wave}`)).toBe(true)
  }
  const count = (outcome: string) => outcomes.get(outcome) ?? 0
  // A few still get in; everybody else is told to come back.
  expect(count('101')).toBeGreaterThan(0)
  expect(count('503')).toBeGreaterThan(250)
  expect(count('101') + count('503') + count('reset')).toBe(360)
  const refused = count('503')
  expect([count('full'), count('told when')]).toEqual([refused, refused])
  expect(count('in order')).toBeGreaterThan(refused - 18)
  expect(count('reset')).toBeLessThan(18)
  for (const wire of kept) expect(await wire.ending()).toBe('fin')
  expect(proxy.program.descriptors).toBeLessThan(196)
  expect(await proxy.program.says(/"level":"warn".*"event":"descriptors.level".*"level":"low"/)).toBeTruthy()
  expect(linesOf(proxy, 'clients.refused').length).toBeLessThanOrEqual(3)
  expect(linesOf(proxy, 'clients.refused').length).toBeGreaterThanOrEqual(1)
  expect(proxy.program.output).not.toContain('INTERNAL')
  await quietWhileFull(proxy)
  for (const one of open.splice(0)) if (!(one instanceof Visitor)) one.close()
  // And serves again when the flood is over.
  expect(await eventually(() => proxy.program.descriptors < 80)).toBe(true)
  const late = await crowd(proxy.port, 10)
  open.push(...late, ...guests)
  for (const guest of [...guests, ...late]) expect(await guest.echoes('still there')).toBe(true)
}, 30_000)

/** Knocks on while it is full: that must not keep the processor busy. */
async function quietWhileFull(proxy: Balancer): Promise<void> {
  const before = proxy.program.processorTime
  const startedAt = performance.now()
  const outcomes: Outcomes = new Map()
  while (performance.now() - startedAt < 1000) {
    await come(proxy, request, outcomes)
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
  expect(outcomes.get('503')).toBeGreaterThan(5)
  expect(proxy.program.processorTime - before).toBeLessThan(500)
}

test('a limit that is larger than descriptors allow is told, and does not make it die of them', async () => {
  const services = await site.services('a')
  const settings = `log: { format: json, access: false }
limits: { clientConnections: 5000 }
timeouts: { requestHead: 1s }`
  const proxy = await site.configured(services, settings, '', 150)
  expect(await proxy.program.says(/"event":"descriptors.few".*"wanted":5000/)).toBeTruthy()
  const guests = await crowd(proxy.port, 20)
  open.push(...guests)
  const outcomes: Outcomes = new Map()
  await Promise.all(Array.from({ length: 150 }, () => come(proxy, upgradeRequest(), outcomes)))
  // Peers that neither speak nor listen nor leave, far more than there are descriptors.
  for (let wave = 0; wave < 5; wave++) {
    const rude = await Promise.all(Array.from({ length: 100 }, () => Wire.to(proxy.port).catch(() => null)))
    for (const wire of rude) {
      wire?.socket.pause()
      if (wire !== null) open.push(wire)
    }
    expect(proxy.program.descriptors).toBeLessThan(148)
    expect(await (guests[wave] as Visitor).echoes(`wave ${wave}`)).toBe(true)
  }
  expect((outcomes.get('101') ?? 0) + (outcomes.get('503') ?? 0) + (outcomes.get('reset') ?? 0)).toBe(150)
  expect(outcomes.get('101')).toBeGreaterThan(10)
  expect(outcomes.get('503')).toBeGreaterThan(10)
  for (const one of open.splice(0)) if (!(one instanceof Visitor)) one.close()
  open.push(...guests)
  expect(await eventually(() => proxy.program.descriptors < 80)).toBe(true)
  open.push(...(await crowd(proxy.port, 5)))
  expect(proxy.program.output).not.toMatch(/INTERNAL|EMFILE/)
}, 30_000)
