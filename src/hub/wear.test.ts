import { readdirSync } from 'node:fs'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { afterEach, describe, expect, test } from 'vitest'
import { HubRig } from './contract/hub-rig.ts'
import { clientFrame, RawClient } from './contract/raw-client.ts'

const rigs: HubRig[] = []

afterEach(async () => {
  for (const rig of rigs.splice(0)) await rig.close()
})

const sleep = (milliseconds: number) => new Promise<void>((resolve) => setTimeout(resolve, milliseconds))
const descriptors = () => readdirSync('/proc/self/fd').length

async function eventually(holds: () => boolean, milliseconds = 10_000): Promise<boolean> {
  const deadline = performance.now() + milliseconds
  while (!holds()) {
    if (performance.now() > deadline) return false
    await sleep(5)
  }
  return true
}

async function start(options: Parameters<typeof HubRig.start>[0] = {}): Promise<HubRig> {
  const rig = await HubRig.start(options)
  rigs.push(rig as HubRig)
  return rig as HubRig
}

function collectGarbage(): void {
  if ('Bun' in globalThis) {
    Bun.gc(true)
    return
  }
  setFlagsFromString('--expose-gc')
  runInNewContext('gc')()
}

/** What a client may do with its life. */
const lives: ((client: RawClient) => Promise<void> | void)[] = [
  async (client) => {
    client.text('hello')
    await client.nextText()
    client.close(1000)
    await client.until(() => client.ended)
  },
  (client) => client.destroy(),
  (client) => client.reset(),
  (client) => client.socket.end(),
  (client) => {
    client.socket.write(Buffer.from([0x81, 0xfe]))
    client.destroy()
  },
  async (client) => {
    client.text('close me')
    client.close((await client.nextClose()).code)
    await client.until(() => client.ended)
  },
  async (client) => {
    client.text('fail')
    client.close((await client.nextClose()).code)
    await client.until(() => client.ended)
  },
  async (client) => {
    client.socket.write(clientFrame(1, Uint8Array.of(0xff)))
    await client.until(() => client.ended || client.closed)
  },
]

async function liveOnce(port: number, at: number): Promise<void> {
  const client = await RawClient.connect({ port })
  if (client.status === 101) await lives[at % lives.length]?.(client)
  client.destroy()
}

function serve(rig: HubRig): void {
  rig.hub.on('connection', (connection) => {
    connection.join('all')
    connection.join(`own ${connection.id}`)
    connection.on('close', () => {})
  })
  rig.hub.on('message', async ({ connection, data }) => {
    await Promise.resolve()
    if (data === 'fail') throw new Error('of the handler')
    if (data === 'close me') connection.close(4000, 'as you wish')
    else void rig.hub.room('all').send(data)
  })
}

describe('wear', () => {
  test('10,000 connections come and go and leave nothing', async () => {
    const rig = await start({ authenticate: async () => ({ user: 'everybody', data: undefined }) })
    serve(rig)
    const seen: WeakRef<object>[] = []
    rig.hub.on('connection', (connection) => void seen.push(new WeakRef(connection)))
    const run = async (from: number, to: number) => {
      const width = 50
      for (let at = from; at < to; at += width) {
        await Promise.all(Array.from({ length: width }, (_, next) => liveOnce(rig.port, at + next)))
      }
      await eventually(() => rig.hub.stats().connections === 0)
    }
    await run(0, 1000)
    const before = descriptors()
    await run(1000, 10_000)
    expect(rig.hub.stats()).toMatchObject({ connections: 0, rooms: 0, users: 0, slow: 0, handshakes: 0 })
    expect(rig.hub.stats().accepted).toBe(10_000)
    expect(await eventually(() => descriptors() <= before + 2)).toBe(true)
    // Both engines may overlook a few that a register still holds.
    let kept = seen.length
    for (let tries = 0; tries < 20 && kept > 100; tries++) {
      await sleep(20)
      collectGarbage()
      kept = seen.filter((reference) => reference.deref() !== undefined).length
    }
    expect(kept).toBeLessThanOrEqual(100)
  }, 60_000)

  test('hostile peers hurt themselves only', async () => {
    const rig = await start({ maxMessage: '64KiB', closeTimeout: '200ms', sendQueue: { limit: '64KiB' } })
    serve(rig)
    const witness = await rig.open()
    const attacks: ((client: RawClient) => void)[] = [
      // A frame that claims to be enormous, of the wrong sign, and of fragments without end.
      (client) =>
        client.socket.write(Buffer.from([0x82, 0xff, 0x7f, 255, 255, 255, 255, 255, 255, 255, 1, 2, 3, 4])),
      (client) =>
        client.socket.write(Buffer.from([0x82, 0xff, 0xff, 255, 255, 255, 255, 255, 255, 255, 1, 2, 3, 4])),
      (client) => {
        client.socket.write(clientFrame(1, Buffer.alloc(1), 0))
        const more = Buffer.concat(Array.from({ length: 5000 }, () => clientFrame(0, Buffer.alloc(1000), 0)))
        client.socket.write(more)
      },
      (client) =>
        client.socket.write(
          Buffer.concat(Array.from({ length: 20_000 }, () => clientFrame(0, Buffer.alloc(0), 0))),
        ),
      (client) => {
        client.socket.pause()
        client.socket.write(
          Buffer.concat(Array.from({ length: 20_000 }, () => clientFrame(9, Buffer.alloc(125)))),
        )
      },
      (client) => {
        client.socket.pause()
        for (let at = 0; at < 200; at++) client.binary(Buffer.alloc(60_000))
      },
      (client) =>
        client.socket.write(
          Buffer.concat(Array.from({ length: 20_000 }, () => clientFrame(1, Buffer.alloc(0)))),
        ),
      (client) =>
        client.socket.write(
          Buffer.concat(Array.from({ length: 200 }, () => clientFrame(8, Buffer.alloc(0)))),
        ),
      (client) => client.socket.write(Buffer.from('GET / HTTP/1.1\r\n\r\n')),
      (client) => {
        client.text('fail')
        client.text('fail')
        client.close(1000)
      },
    ]
    for (const attack of attacks) {
      const client = await rig.open()
      attack(client)
    }
    witness.text('are you there?')
    await witness.until(
      () => witness.frames.some(({ payload }) => payload.toString() === 'are you there?'),
      15_000,
    )
    for (const client of rig.clients) if (client !== witness) client.destroy()
    expect(await eventually(() => rig.hub.stats().connections === 1)).toBe(true)
    expect(rig.hub.stats()).toMatchObject({ rooms: 2, slow: 0 })
  }, 40_000)

  test('a hub that is closed leaves no timer, listener or descriptor', async () => {
    const before = descriptors()
    const rig = await HubRig.start({ heartbeat: { interval: '50ms' } })
    serve(rig as HubRig)
    await rig.open()
    await eventually(() => rig.hub.stats().connections === 1)
    await rig.close()
    expect(await eventually(() => descriptors() <= before)).toBe(true)
  })
})
