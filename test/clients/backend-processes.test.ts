import { afterAll, afterEach, describe, expect, test } from 'vitest'
import { upgradeRequest } from '../gateway/support/handshakes.ts'
import { Wire } from '../gateway/support/wire.ts'
import { crowd, type Visitor } from './support/crowd.ts'
import { Site } from './support/site.ts'

// Real backend processes behind the command: one dies, one hangs.

const site = new Site()
const visitors: Visitor[] = []
afterEach(async () => {
  for (const visitor of visitors.splice(0)) visitor.close()
  await site.close()
})
afterAll(() => site.remove())

async function enter(port: number, count: number): Promise<Visitor[]> {
  const entered = await crowd(port, count)
  visitors.push(...entered)
  return entered
}

/** How many there are at each server. */
function shares(of: readonly Visitor[]): Record<string, number> {
  const counts: Record<string, number> = {}
  for (const { server } of of) counts[server] = (counts[server] ?? 0) + 1
  return counts
}

describe('a backend that is killed under 500 live tunnels', () => {
  test('costs its own tunnels and no other; the next go elsewhere, and to it again once it is back', async () => {
    const services = await site.services('a', 'b', 'c')
    const { port } = await site.configured(
      services,
      'log: { level: error }',
      ', ejection: { time: 200ms }, slowStart: { from: 100 }',
    )
    const all = await enter(port, 500)
    const before = shares(all)
    expect(Object.values(before).sort()).toEqual([166, 167, 167])

    const victim = services[1]!
    const mourners = all.filter(({ server }) => server === victim.name)
    const others = all.filter(({ server }) => server !== victim.name)
    await victim.program.kill()
    await Promise.all(mourners.map(({ wire }) => wire.ending()))
    expect(await Promise.all(others.map((visitor, index) => visitor.echoes(`still here ${index}`)))).toEqual(
      others.map(() => true),
    )

    const next = shares(await enter(port, 30))
    expect(Object.keys(next).sort()).toEqual(['a', 'c'])

    await site.service('b', victim.port)
    // It was ejected for 200 ms, and for as long again with each time it was asked in vain.
    while (!(await enter(port, 3)).some(({ server }) => server === victim.name));
    expect(shares(await enter(port, 30))).toEqual({ a: 10, b: 10, c: 10 })
    expect(await Promise.all(others.map((visitor) => visitor.echoes('and still')))).toEqual(
      others.map(() => true),
    )
  }, 30_000)
})

describe('a backend that is stopped', () => {
  test('costs its clients the upgrade timeout before another takes them, and nobody else anything', async () => {
    const services = await site.services('a', 'b')
    const { port } = await site.configured(
      services,
      "timeouts: { upgrade: '300ms', response: '300ms' }\nlog: { level: error }",
    )
    await enter(port, 2)
    const stopped = services[0]!
    stopped.program.process.kill('SIGSTOP')
    // Its kernel still accepts; only the answer never comes.
    const startedAt = performance.now()
    expect(await Promise.all([0, 1, 2, 3].map(() => knock(port)))).toEqual(['101', '101', '101', '101'])
    expect(performance.now() - startedAt).toBeGreaterThan(250)
    stopped.program.process.kill('SIGCONT')
    expect(shares(await enter(port, 4))).toEqual({ a: 2, b: 2 })
  }, 30_000)
})

async function knock(port: number): Promise<string> {
  const wire = await Wire.to(port)
  const { status, body } = await wire.send(upgradeRequest()).message()
  wire.close()
  return `${status} ${/\((\w+)/.exec(body)?.[1] ?? ''}`.trim()
}
