import { afterEach, expect, test } from 'vitest'
import { seededRandom } from '../../src/core/balancing/contract/seeded-random.ts'
import { eventually } from './support/eventually.ts'
import { closeFrame, frame, opcodes } from './support/frames.ts'
import { acceptUpgrade, switching, upgradeRequest } from './support/handshakes.ts'
import { seatsAreTunnels } from './support/seats.ts'
import { type Running, Stage } from './support/stage.ts'
import type { Wire } from './support/wire.ts'

const stage = new Stage()
afterEach(() => stage.close())

type Roll = (sides: number) => number

/** How an open WebSocket may end, by either of its ends. */
function endOpen(wire: Wire, masked: boolean, roll: Roll): void {
  const text = frame(opcodes.text, 'hello', { masked })
  const endings = [
    () => wire.reset(),
    () => wire.end(),
    () => wire.close(),
    () => wire.send(text.subarray(0, 3)).reset(),
    () => wire.send(text).send(closeFrame(1000, '', masked)),
    () => wire.send(closeFrame(1001, '', masked)).close(),
    () => wire.send('no frame at all').end(),
    () => wire.send(frame(opcodes.binary, Buffer.alloc(150_000), { masked })).close(),
  ]
  endings[roll(endings.length)]?.()
}

/** What a backend may do instead of a proper 101. */
function failUpgrade(wire: Wire, roll: Roll): void {
  const failures = [
    () => wire.reset(),
    () => wire.end(),
    () => wire.send('HTTP/1.1 101 Swit').close(),
    () => wire.send(switching({ 'Sec-WebSocket-Accept': 'bm90IHRoaXMgb25lLCBzb3JyeQ==' })),
    () => wire.send('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nno'),
    () => wire.send('HTTP/1.1 503 Busy\r\nContent-Length: 20\r\n\r\nhalf').close(),
    () => 'silence until the deadline',
  ]
  failures[roll(failures.length)]?.()
}

async function backend(roll: Roll) {
  return stage.raw(async (wire) => {
    if (roll(12) === 0) {
      wire.reset()
      return
    }
    if (roll(5) === 0) {
      await wire.message('request')
      failUpgrade(wire, roll)
    } else {
      await acceptUpgrade(wire)
      if (roll(3) === 0) endOpen(wire, false, roll)
    }
    await wire.ending()
    wire.close()
  })
}

/** A client that goes at a random moment: before its head is whole, dialling, waiting, upgrading, open. */
async function client({ port }: Running, roll: Roll): Promise<void> {
  const wire = await stage.client(port)
  const address = { 'X-Forwarded-For': `192.0.2.${roll(12)}` }
  const turns = async (most: number) => {
    for (let turn = roll(most); turn > 0; turn--) await new Promise((resolve) => setImmediate(resolve))
  }
  switch (roll(6)) {
    case 0:
      wire.send(upgradeRequest(address).slice(0, 40)).reset()
      return
    case 1:
      wire.send(upgradeRequest(address))
      await turns(12)
      wire.reset()
      return
    case 2:
      wire.send(upgradeRequest(address)).send(frame(opcodes.text, 'early', { masked: true }))
      await turns(60)
      wire.end()
      return
    default:
      wire.send(upgradeRequest(address))
      await wire.until('\r\n\r\n').then(
        () => turns(20).then(() => endOpen(wire, true, roll)),
        () => wire.close(),
      )
  }
}

/** What the operator does meanwhile. */
function meddle({ gateway }: Running, addresses: readonly string[], roll: Roll): void {
  const address = addresses[roll(addresses.length)] as string
  const deeds = [
    () => gateway.setWeight(address, roll(3)),
    () => gateway.disable(address),
    () => void gateway.drain(address, { over: 20 }),
  ]
  deeds[roll(deeds.length)]?.()
}

test.each([1, 2, 3])('however a connection ends, it frees its seat exactly once (seed %i)', async (seed) => {
  const random = seededRandom(seed)
  const roll: Roll = (sides) => Math.floor(random() * sides)
  const backends = [await backend(roll), await backend(roll), await backend(roll)]
  const addresses = [...backends.map(({ address }) => address), '127.0.0.1:1']
  const running = await stage.gateway({
    trustedProxies: ['127.0.0.1'],
    admission: { maxConnections: 20, maxConnectionsPerClient: 8 },
    pools: {
      main: {
        ejection: { failures: 0 },
        maxConnections: 18,
        maxConnectionsPerBackend: 8,
        waitingRoom: { size: 30, timeout: '150ms' },
        backends: [...addresses],
      },
    },
    timeouts: { upgrade: '150ms', halfClosed: '100ms', requestHead: '1s' },
  })
  const { gateway } = running
  for (let batch = 0; batch < 14; batch++) {
    const clients = Array.from({ length: 50 }, () => client(running, roll))
    while (roll(4) > 0) {
      await new Promise((resolve) => setImmediate(resolve))
      meddle(running, addresses, roll)
    }
    for (const address of addresses) gateway.enable(address)
    for (const address of addresses) gateway.setWeight(address, 1)
    await Promise.all(clients)
    // Some may live on; what is counted is what there is.
    expect(await eventually(() => seatsAreTunnels(running))).toBe(true)
  }
  for (const { connections } of backends) for (const wire of connections) wire.close()
  expect(await eventually(() => gateway.admission.seats === 0)).toBe(true)
  expect(seatsAreTunnels(running)).toBe(true)
  expect(await eventually(() => gateway.admission.knownClients === 0)).toBe(true)
  // Else nothing was tried: seats were scarce and clients had to wait for them.
  const waited = running.log.lines.filter(({ waitedMs }) => typeof waitedMs === 'number' && waitedMs > 0)
  expect(waited.length).toBeGreaterThan(10)
  expect(gateway.backends.every(({ seats, active }) => seats === 0 && active === 0)).toBe(true)
})

test('a gateway that is closed frees the seats of those who wait, dial, upgrade and are open', async () => {
  const silent = await stage.raw(() => {})
  const open = await stage.raw(acceptUpgrade)
  const running = await stage.gateway({
    pools: {
      open: { backends: [open.address], maxConnections: 5 },
      silent: { backends: [silent.address] },
    },
    routes: [{ match: { path: '/open' }, pool: 'open' }, { pool: 'silent' }],
  })
  for (const path of ['/open', '/silent']) {
    for (let index = 0; index < 10; index++) {
      const wire = await stage.client(running.port)
      wire.send(upgradeRequest({}, `GET ${path} HTTP/1.1`))
    }
  }
  const { gateway } = running
  expect(await eventually(() => gateway.admission.seats === 15 && gateway.admission.waiting === 5)).toBe(true)
  await gateway.close()
  expect(gateway.admission).toMatchObject({ seats: 0, waiting: 0, clientConnections: 0 })
  expect(gateway.backends.map(({ seats }) => seats)).toEqual([0, 0])
})

test('a drain frees seats as its tunnels end, and those who wait do not get them (fabio#718)', async () => {
  const [one, two] = [await stage.raw(acceptUpgrade), await stage.raw(acceptUpgrade)]
  const running = await stage.gateway({
    pools: { main: { backends: [one.address, two.address], maxConnectionsPerBackend: 2 } },
    timeouts: { halfClosed: '100ms' },
  })
  const { gateway, port } = running
  const clients: Wire[] = []
  for (let index = 0; index < 6; index++) {
    const wire = await stage.client(port)
    clients.push(wire.send(upgradeRequest()))
  }
  expect(await eventually(() => gateway.admission.seats === 4 && gateway.admission.waiting === 2)).toBe(true)
  expect(await gateway.drain(one.address, { over: 50 })).toBe(true)
  expect(gateway.backends.map(({ seats }) => seats)).toEqual([0, 2])
  expect([gateway.admission.waiting, one.connections.length]).toEqual([2, 2])
  gateway.enable(one.address)
  expect(await eventually(() => gateway.admission.seats === 4 && gateway.admission.waiting === 0)).toBe(true)
  expect(await eventually(() => seatsAreTunnels(running))).toBe(true)
})
