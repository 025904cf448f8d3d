import { expect, test } from 'vitest'
import type { BusEvents } from '../../hub/cluster.ts'
import { nats } from './nats-driver.ts'

test('a broker that was never there is away for a reason', async () => {
  const lease = { beat: 200, suspect: 500, dead: 1000 }
  const { bus } = nats('nats://127.0.0.1:1').connect({
    namespace: 'n',
    lease,
    log: { info() {}, warn() {} },
  })
  const reason = await new Promise((resolve) => {
    const events: BusEvents = { message() {}, up() {}, down: resolve }
    bus.start(events, 1000).catch(() => {})
  })
  await bus.close()
  expect(reason).toMatch(/^not connected within 1000 ms: \S/)
})
