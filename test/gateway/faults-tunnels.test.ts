import { readdirSync } from 'node:fs'
import { afterEach, expect, test } from 'vitest'
import { eventually } from './support/eventually.ts'
import { clientFrame, closeFrame, frame, opcodes } from './support/frames.ts'
import { acceptUpgrade, joinTunnel, switching, upgradeRequest } from './support/handshakes.ts'
import { Stage } from './support/stage.ts'
import type { Wire } from './support/wire.ts'

const stage = new Stage()
afterEach(() => stage.close())

type Fault = (wire: Wire) => unknown

/** The same numbers every time (mulberry32), so that a failure can be seen again. */
function dice(seed: number): (sides: number) => number {
  let state = seed
  return (sides) => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) % sides
  }
}

/** What either end may do once the tunnel is open. */
const faults = (masked: boolean): Fault[] => {
  const text = frame(opcodes.text, 'hello', { masked })
  const large = frame(opcodes.binary, Buffer.alloc(200_000), { masked })
  return [
    (wire) => wire.reset(),
    (wire) => wire.end(),
    (wire) => wire.close(),
    (wire) => wire.send(text.subarray(0, 4)).reset(),
    (wire) => wire.send(text.subarray(0, 4)).end(),
    (wire) => wire.send(large.subarray(0, 100_000)).close(),
    (wire) => wire.send(large),
    (wire) => wire.send(closeFrame(1000, '', masked)).close(),
    (wire) => wire.send(closeFrame(1000, '', masked)),
    (wire) => wire.send(Buffer.from('this is no frame')),
    (wire) => {
      wire.socket.pause()
      wire.send(large).reset()
    },
    () => 'silence',
  ]
}

const clientFaults: Fault[] = [
  ...faults(true),
  // In the middle of the handshake.
  (wire) => wire.send('GET /chat HTTP/1.1\r\nHo').reset(),
  (wire) => wire.send(upgradeRequest()).reset(),
  (wire) => wire.send(upgradeRequest()).end(),
  (wire) => wire.send(upgradeRequest()).send(clientFrame(opcodes.text, 'early')).close(),
]

const backendFaults: Fault[] = [
  ...faults(false),
  (wire) => wire.reset(),
  (wire) => wire.close(),
  (wire) => wire.send(switching({ 'Sec-WebSocket-Accept': 'x' })),
  (wire) => wire.send('HTTP/1.1 403 Forbidden\r\nContent-Length: 10\r\n\r\nhalf').close(),
  (wire) => wire.send(switching()).reset(),
  (wire) => wire.send('HTTP/1.1 101 Switching').end(),
]

const inHandshake = (list: readonly Fault[], masked: boolean) => list.slice(faults(masked).length)

/** Descriptors of this process. Reading the folder opens one more, always. */
function descriptors(): number {
  return readdirSync('/proc/self/fd').length
}

test.each([1, 2])(
  '300 tunnels that end in every way leave nothing behind (configurable-http-proxy#434, seed %i)',
  async (seed) => {
    const roll = dice(seed)
    const backendInHandshake = inHandshake(backendFaults, false)
    const backend = await stage.raw(async (wire) => {
      if (roll(6) === 0) {
        await wire.message('request')
        await backendInHandshake[roll(backendInHandshake.length)]?.(wire)
        return
      }
      await acceptUpgrade(wire)
      backendFaults[roll(faults(false).length)]?.(wire)
    })
    const { gateway, port } = await stage.gateway({
      backends: [backend.address],
      timeouts: { upgrade: '200ms', halfClosed: '200ms' },
    })
    const first = await stage.client(port)
    await first
      .send(upgradeRequest())
      .until('\r\n\r\n')
      .catch(() => {})
    first.close()
    expect(await eventually(() => gateway.backends[0]?.connections === 0)).toBe(true)
    for (const wire of backend.connections) wire.close()
    const before = descriptors()

    const clients: Wire[] = []
    await Promise.all(Array.from({ length: 300 }, () => misbehave()))
    async function misbehave(): Promise<void> {
      const client = await stage.client(port)
      clients.push(client)
      const fault = clientFaults[roll(clientFaults.length)] as Fault
      if (inHandshake(clientFaults, true).includes(fault)) fault(client)
      else {
        client.send(upgradeRequest())
        // Whether it gets a tunnel or an answer, or nothing, is up to the backend.
        await client.until('\r\n\r\n').then(
          () => fault(client),
          () => client.close(),
        )
      }
    }
    // Silent ones live on until one end goes.
    for (const client of clients) client.close()
    expect(await eventually(() => gateway.backends[0]?.connections === 0)).toBe(true)
    for (const wire of backend.connections) wire.close()
    expect(await eventually(() => descriptors() <= before)).toBe(true)
    expect(gateway.backends[0]?.requests).toBeGreaterThan(200)
  },
)

test('1000 tunnels one after another leave no descriptor behind (node-http-proxy#1510)', async () => {
  const backend = await stage.raw()
  const { gateway, port } = await stage.gateway({ backends: [backend.address] })
  const open = async () => {
    const { client, server } = await joinTunnel(stage, port, backend)
    client.end()
    await server.ending()
    server.end()
    await client.ending()
  }
  await open()
  const before = descriptors()
  for (let round = 0; round < 20; round++) {
    for (let index = 0; index < 50; index++) await open()
  }
  expect(await eventually(() => gateway.backends[0]?.connections === 0)).toBe(true)
  expect(await eventually(() => descriptors() <= before)).toBe(true)
})
