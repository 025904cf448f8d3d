import { afterAll, afterEach, describe, expect, test } from 'vitest'
import { closeFrame, closeOf, readFrame } from '../gateway/support/frames.ts'
import { Talker } from '../gateway/support/talker.ts'
import { crowd, type Visitor } from './support/crowd.ts'
import { type Balancer, Site } from './support/site.ts'

// The command's own end, and its rest.

const site = new Site()
const visitors: Visitor[] = []
afterEach(async () => {
  for (const visitor of visitors.splice(0)) visitor.close()
  await site.close()
})
afterAll(() => site.remove())

async function enter({ port }: Balancer, count: number): Promise<Visitor[]> {
  const entered = await crowd(port, count)
  visitors.push(...entered)
  return entered
}

describe('SIGTERM', () => {
  test('says 1001 to every client and ends with 0 as soon as all have answered (traefik#3630)', async () => {
    const proxy = await site.proxy(await site.services('a', 'b'))
    const talkers = await Promise.all([1, 2, 3, 4].map(() => new Talker(proxy.port).opened))
    const entered = await enter(proxy, 50)
    proxy.program.process.kill('SIGTERM')
    for (const { wire } of entered) {
      expect(closeOf(await readFrame(wire)).code).toBe(1001)
      wire.send(closeFrame(1001, '', true))
      expect(await wire.ending()).toBe('fin')
      wire.end()
    }
    for (const talker of talkers) expect((await talker.closed).code).toBe(1001)
    expect(await proxy.program.ended).toBe(0)
  }, 20_000)

  test('ends with 0 at the deadline when a client does not answer', async () => {
    const services = await site.services('a')
    const proxy = await site.configured(services, "timeouts: { shutdown: '300ms' }")
    const [silent] = await enter(proxy, 1)
    proxy.program.process.kill('SIGTERM')
    expect(closeOf(await readFrame(silent!.wire)).code).toBe(1001)
    expect(await proxy.program.ended).toBe(0)
    await silent!.wire.ending()
  }, 20_000)

  test('a second time ends it at once, with 143', async () => {
    const proxy = await site.configured(await site.services('a'), "timeouts: { shutdown: '10m' }")
    const [silent] = await enter(proxy, 1)
    proxy.program.process.kill('SIGTERM')
    expect(closeOf(await readFrame(silent!.wire)).code).toBe(1001)
    // Two signals that come close together are one, so it is asked until it listens.
    const insist = setInterval(() => proxy.program.process.kill('SIGTERM'), 100)
    expect(await proxy.program.ended).toBe(143)
    clearInterval(insist)
  }, 20_000)
})

test('200 idle tunnels cost no processor time', async () => {
  const proxy = await site.proxy(await site.services('a', 'b'))
  const entered = await enter(proxy, 200)
  const before = proxy.program.processorTime
  await new Promise((resolve) => setTimeout(resolve, 2000))
  // Rest is what is measured here: 2 s of it. What a runtime does by itself (collecting garbage) is allowed.
  console.log('CPU', proxy.program.processorTime - before)
  expect(proxy.program.processorTime - before).toBeLessThan(200)
  expect(await Promise.all(entered.map((visitor) => visitor.echoes('awake')))).toEqual(
    entered.map(() => true),
  )
}, 20_000)
