import { type AddressInfo, createServer } from 'node:net'
import { expect, test } from 'vitest'
import type { BusEvents } from '../../hub/cluster.ts'
import { redis } from './redis-driver.ts'

const lease = { beat: 200, suspect: 500, dead: 1000 }
const log = { info() {}, warn() {} }

/** Why a bus is down that could not connect in time. */
async function reasonOf(url: string, patience: number): Promise<string> {
  const { bus } = redis(url).connect({ namespace: 'n', lease, log })
  try {
    return await new Promise((resolve) => {
      const events: BusEvents = { message() {}, up() {}, down: resolve }
      bus.start(events, patience).catch(() => {})
    })
  } finally {
    await bus.close()
  }
}

test('a broker that was never there is away for a reason', async () => {
  expect(await reasonOf('redis://127.0.0.1:1', 300)).toMatch(/^not connected within 300 ms: .*ECONNREFUSED/)
})

test('a broker that says nothing is away because it says nothing', async () => {
  const server = createServer(() => {}).listen(0, '127.0.0.1')
  await new Promise((resolve) => server.once('listening', resolve))
  try {
    const { port } = server.address() as AddressInfo
    expect(await reasonOf(`redis://127.0.0.1:${port}`, 4000)).toMatch(/no answer within 3000 ms$/)
  } finally {
    server.close()
  }
})
