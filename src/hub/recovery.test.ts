import { afterEach, describe, expect, test } from 'vitest'
import type { Position } from './cluster.ts'
import type { Connection } from './connection.ts'
import { eventually } from './contract/cluster-rig.ts'
import { HubRig } from './contract/hub-rig.ts'
import { HubCore } from './hub-core.ts'
import type { Identity } from './live-connection.ts'
import { LiveConnection } from './live-connection.ts'
import type { Recovery } from './local.ts'
import { consoleLog } from './log.ts'
import { type HubOptions, hubOptions } from './options.ts'
import { Recoveries } from './recover.ts'

const rigs: HubRig[] = []

afterEach(async () => {
  for (const rig of rigs.splice(0)) await rig.close()
})

async function start(options: HubOptions) {
  const stamp = (data: string | Uint8Array, position: Position | null) =>
    `${String(position?.offset ?? 0).padStart(5, '0')} ${data}`
  const rig = await HubRig.start({ rooms: { h: { history: { size: 1000, stamp } } }, ...options })
  rigs.push(rig)
  const connections: Connection[] = []
  rig.hub.on('connection', (connection) => void connections.push(connection))
  const open = async () => {
    const before = connections.length
    const client = await rig.open()
    await eventually(() => connections.length > before, 'it is in')
    return { client, connection: connections.at(-1) as Connection }
  }
  return { hub: rig.hub, open }
}

const offsets = ({ frames }: { frames: readonly { opcode: number; payload: Buffer }[] }) =>
  frames.filter(({ opcode }) => opcode === 1).map(({ payload }) => Number(payload.toString().slice(0, 5)))

describe('one who comes back to a room with history', () => {
  test.each(['close', 'drop-oldest', 'drop-newest', 'conflate'] as const)(
    'gets all that it missed, however much that is, with %s',
    async (whenFull) => {
      const { hub, open } = await start({ sendQueue: { limit: '64KiB', whenFull } })
      const first = (await hub.room('h').send('first')).position as Position
      const text = 'x'.repeat(20_000)
      for (let at = 0; at < 400; at++) await hub.room('h').send(text)
      const { client, connection } = await open()
      const joined = await connection.join('h', { since: first })
      expect(joined).toMatchObject({ joined: true, recovered: 400, complete: true })
      await client.until(() => offsets(client).length === 400)
      await hub.room('h').send('live')
      await client.until(() => offsets(client).length === 401)
      expect(offsets(client)).toEqual(Array.from({ length: 401 }, (_, at) => at + 2))
      expect(connection.isOpen).toBe(true)
    },
  )

  test('gets the last 16 MiB when it missed more, and is told', async () => {
    const { hub, open } = await start({})
    const first = (await hub.room('h').send('first')).position as Position
    const text = 'x'.repeat(1024 * 1024)
    for (let at = 0; at < 20; at++) await hub.room('h').send(text)
    const { client, connection } = await open()
    const joined = await connection.join('h', { since: first })
    expect(joined).toMatchObject({ joined: true, recovered: 16, complete: false })
    await client.until(() => offsets(client).length === 16, 15_000)
    expect(offsets(client)).toEqual(Array.from({ length: 16 }, (_, at) => at + 6))
  })

  test('gets no more than 16 MiB when it comes back to many rooms at once and reads nothing', async () => {
    const names = Array.from({ length: 10 }, (_, at) => `h${at}`)
    const rooms = Object.fromEntries(names.map((name) => [name, { history: { size: 10 } }]))
    const { hub, open } = await start({ rooms })
    const { client, connection } = await open()
    client.socket.pause()
    const text = 'x'.repeat(1024 * 1024)
    const whole: boolean[] = []
    for (const name of names) {
      const { position } = await hub.room(name).send('first')
      for (let at = 0; at < 5; at++) await hub.room(name).send(text)
      whole.push((await connection.join(name, { since: position })).complete)
    }
    // The kernel takes some of it, too.
    expect([whole[0], whole.at(-1)]).toEqual([true, false])
    expect(connection.queuedBytes).toBeLessThan(24 * 1024 * 1024)
    expect(connection.isOpen).toBe(true)
  })
})

describe('a peer that does not keep up with a room with history', () => {
  test.each(['drop-oldest', 'drop-newest'] as const)(
    'with %s loses other messages, and is closed before it loses one of the room',
    async (whenFull) => {
      const { hub, open } = await start({ sendQueue: { limit: '64KiB', whenFull } })
      const { client, connection } = await open()
      connection.join('h')
      client.socket.pause()
      let queued = false
      for (let at = 0; !queued && at < 400; at++) {
        queued = connection.send(Buffer.alloc(128 * 1024)) === 'queued'
        await new Promise((resolve) => setImmediate(resolve))
      }
      let sent = 0
      while (connection.isOpen && sent < 2000) {
        await hub.room('h').send('x'.repeat(1000))
        connection.send('y'.repeat(1000))
        sent++
      }
      expect(connection.isOpen).toBe(false)
      expect(hub.stats().closedSlow).toBe(1)
      // 61 messages of a room fit. With `drop-oldest` all others have gone before.
      if (whenFull === 'drop-oldest') expect(hub.stats().droppedOldest).toBeGreaterThan(50)
      expect(sent).toBeLessThan(70)
      client.socket.resume()
      expect(await client.nextClose()).toMatchObject({ code: 4008 })
    },
  )
})

/** Connections of a hub whose history answers when it is told to. */
function waiting() {
  const core = new HubCore(hubOptions.parse({ rooms: { h: { history: {} } } }), 'n1', consoleLog)
  const asked: { admit: (recovery: Recovery) => void; signal: AbortSignal }[] = []
  const recoveries = new Recoveries({
    cluster: {
      async recover(_room, _since, admit, signal) {
        asked.push({ admit, signal })
      },
    },
    rules: core.rules,
    patience: 50,
  })
  Object.defineProperty(core, 'recoveries', { value: recoveries })
  const identity: Identity = { id: 'n1.1', user: null, data: undefined, remoteAddress: '', protocol: null }
  const connection = new LiveConnection(core, identity)
  const idle = { queuedBytes: 0, send: () => true, ping() {}, pause() {}, resume() {}, close() {} }
  connection.opened({ ...idle, terminate() {} })
  const ask = () => {
    const joined = connection.join('h', { since: null })
    return { joined, ...(asked.at(-1) as (typeof asked)[0]) }
  }
  return { connection, ask }
}

const found: Recovery = { position: { epoch: 'e', offset: 1 }, messages: [], complete: true }
const not = { joined: false, recovered: 0, position: null, complete: false }

describe('one who waits for the history of a room', () => {
  test.each(['leave', 'close', 'terminate'] as const)('does not come in after a %s', async (how) => {
    const { connection, ask } = waiting()
    const { joined, admit, signal } = ask()
    if (how === 'leave') expect(connection.leave('h')).toBe(false)
    else connection[how]()
    expect(await joined).toEqual(not)
    expect(signal.aborted).toBe(true)
    admit(found)
    expect([...connection.rooms]).toEqual([])
  })

  test('stays in what it comes into when it leaves another room', async () => {
    const { connection, ask } = waiting()
    const { joined, admit, signal } = ask()
    connection.leave('other')
    admit(found)
    expect(await joined).toMatchObject({ joined: true, complete: true })
    expect(signal.aborted).toBe(false)
  })

  test('comes in without it after a while, and nobody goes on reading', async () => {
    const { connection, ask } = waiting()
    const { joined, admit, signal } = ask()
    expect(await joined).toEqual({ joined: true, recovered: 0, position: null, complete: false })
    expect(signal.aborted).toBe(true)
    admit({ ...found, messages: [{ position: { epoch: 'e', offset: 1 }, data: 'twice' }] })
    expect([...connection.rooms]).toEqual(['h'])
  })
})
