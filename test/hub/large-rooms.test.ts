import { afterEach, expect, test } from 'vitest'
import { seededRandom } from '../../src/core/balancing/contract/seeded-random.ts'
import type { Connection } from '../../src/hub/connection.ts'
import { HubRig } from '../../src/hub/contract/hub-rig.ts'
import { RawClient } from '../../src/hub/contract/raw-client.ts'
import type { HubOptions } from '../../src/hub/options.ts'

/** Rooms so large that a runtime with topics publishes to them, over real sockets. */

interface Member {
  readonly client: RawClient
  readonly connection: Connection
  /** What it has to get. */
  readonly due: string[]
}

let rig: HubRig | null = null
afterEach(async () => rig?.close())

const turn = () => new Promise<void>((resolve) => setImmediate(resolve))

async function gather(count: number, options: HubOptions = {}) {
  rig = await HubRig.start(options)
  const { hub } = rig
  const found: Connection[] = []
  hub.on('connection', (connection) => void found.push(connection))
  const members: Member[] = []
  for (let at = 0; at < count; at++) {
    const client = await rig.open()
    await client.until(() => found.length > at)
    members.push({ client, connection: found[at] as Connection, due: [] })
  }
  return { hub, members }
}

const texts = ({ client }: Member) => client.frames.map(({ payload }) => payload.toString())

async function compare(members: readonly Member[]): Promise<void> {
  for (const member of members) {
    await member.client.until(() => member.client.frames.length >= member.due.length)
    expect(texts(member)).toEqual(member.due)
  }
}

test.each([1, 2, 3, 4])('everybody gets exactly what is for it, in order (seed %i)', async (seed) => {
  const { hub, members } = await gather(90)
  const random = seededRandom(seed)
  const next = (limit: number) => Math.floor(random() * limit)
  const rooms = ['everybody', 'most', 'some'].map((name) => ({ name, in: new Set<Member>() }))
  const join = (room: (typeof rooms)[number], member: Member) => {
    member.connection.join(room.name)
    room.in.add(member)
  }
  for (const [at, member] of members.entries()) {
    join(rooms[0]!, member)
    if (at < 70) join(rooms[1]!, member)
    if (at < 40) join(rooms[2]!, member)
  }
  let last = 0
  for (let step = 0; step < 600; step++) {
    // Several of these in one turn, with all mixtures of whom they are for.
    if (next(4) === 0) await turn()
    const room = rooms[next(3)]!
    const member = members[next(members.length)]!
    const text = `${++last}${next(20) === 0 ? 'x'.repeat(20_000) : ''}`
    const what = next(10)
    if (what === 0) {
      member.connection.leave(room.name)
      room.in.delete(member)
    } else if (what === 1) join(room, member)
    else if (what === 2) {
      member.connection.send(text)
      member.due.push(text)
    } else if (what === 3) {
      void hub.everybody.send(text)
      for (const { due } of members) due.push(text)
    } else {
      const except = what < 6 ? member : null
      const concerned = [...room.in].filter((other) => other !== except)
      const data = next(2) === 0 ? text : Buffer.from(text)
      const delivery = hub.room(room.name).send(data, except === null ? {} : { except: except.connection })
      for (const { due } of concerned) due.push(text)
      expect(await delivery).toMatchObject({ local: concerned.length, dropped: 0 })
    }
  }
  await compare(members)
})

test('what was sent to the room comes before the Close of the same turn, and nothing after it', async () => {
  const { hub, members } = await gather(70)
  for (const { connection } of members) connection.join('room')
  const [closed, cut, left, ...others] = members as [Member, Member, Member, ...Member[]]
  void hub.room('room').send('before')
  closed.connection.close(4000, 'enough')
  cut.connection.terminate()
  left.connection.leave('room')
  expect(await hub.room('room').send('after')).toMatchObject({ local: 67 })
  for (const member of others) member.due.push('before', 'after')
  left.due.push('before')
  await compare([...others, left])
  expect(await closed.client.nextText()).toBe('before')
  expect(await closed.client.nextClose()).toEqual({ code: 4000, reason: 'enough' })
  await cut.client.until(() => cut.client.closed)
})

const chunk = 64 * 1024

/** Sends until a member does not keep up, and says how much that took. */
async function stall(hub: HubRig['hub'], slow: Member, others: readonly Member[]): Promise<number> {
  slow.client.socket.pause()
  for (let sent = 1; sent <= 400; sent++) {
    await hub.room('room').send(Buffer.alloc(chunk, sent))
    for (const { client } of others) {
      await client.until(() => client.frames.length > 0)
      expect(client.frames.splice(0).map(({ payload }) => payload[0])).toEqual([sent % 256])
    }
    if (hub.stats().slow === 1) return sent
  }
  throw new Error('the peer takes everything')
}

test('who does not read is closed with 4008 when its queue is full, and delays nobody', async () => {
  const { hub, members } = await gather(64, { sendQueue: { limit: '256KiB' } })
  for (const { connection } of members) connection.join('room')
  const [slow, ...others] = members as [Member, ...Member[]]
  await stall(hub, slow, others)
  const closed = new Promise<{ code: number }>((resolve) => hub.on('close', resolve))
  for (let at = 0; at < 5; at++) await hub.room('room').send(Buffer.alloc(chunk))
  expect(hub.stats()).toMatchObject({ closedSlow: 1, slowConsumers: 1, slow: 0 })
  slow.client.socket.resume()
  expect((await slow.client.nextClose()).code).toBe(4008)
  slow.client.destroy()
  expect((await closed).code).toBe(4008)
  expect(hub.room('room').localCount).toBe(63)
})

test('who reads again gets what waited, without a hole, and what comes then', async () => {
  const { hub, members } = await gather(64)
  for (const { connection } of members) connection.join('room')
  const [slow, ...others] = members as [Member, ...Member[]]
  const sent = await stall(hub, slow, others)
  for (let at = 1; at <= 5; at++) await hub.room('room').send(Buffer.alloc(chunk, sent + at))
  expect(slow.connection.queuedBytes).toBeGreaterThan(5 * chunk)
  slow.client.socket.resume()
  await slow.client.until(() => slow.client.frames.length === sent + 5)
  await slow.client.until(() => hub.stats().slow === 0)
  await hub.room('room').send('again')
  await slow.client.until(() => slow.client.frames.length === sent + 6)
  const first = slow.client.frames.slice(0, -1).map(({ payload }) => payload[0])
  expect(first).toEqual(Array.from({ length: sent + 5 }, (_, at) => (at + 1) % 256))
  expect(slow.client.frames.at(-1)?.payload.toString()).toBe('again')
})

test('a drain lets those go first who get nothing in a large room', async () => {
  const { hub, members } = await gather(70)
  const connections = members.map(({ connection }) => connection)
  for (const connection of connections.slice(0, 65)) connection.join('room')
  await hub.room('room').send('before')
  const drained = hub.drain({ over: '10s' })
  while (connections.every(({ isOpen }) => isOpen)) {
    void hub.room('room').send('meanwhile')
    await turn()
  }
  expect(connections.slice(0, 65).every(({ isOpen }) => isOpen)).toBe(true)
  for (const { client } of members) client.destroy()
  await drained
})

test.skipIf(!('Bun' in globalThis))('a room reaches over all servers of Bun that serve its hub', async () => {
  const { hub, members } = await gather(64)
  const serve = () =>
    Bun.serve({
      port: 0,
      hostname: '127.0.0.1',
      fetch: hub.fetch as never,
      websocket: hub.websocket as never,
    })
  const enter = async (port: number | undefined) => {
    const known = new Set(hub.connections())
    const client = await RawClient.open({ port: port as number })
    rig?.clients.push(client)
    await client.until(() => hub.stats().connections > known.size)
    const connection = [...hub.connections()].find((other) => !known.has(other)) as Connection
    return { client, connection, due: [] } as Member
  }
  const [second, third] = [serve(), serve()]
  const late = [await enter(second.port), await enter(third.port)]
  const say = async (text: string, to: readonly Member[]) => {
    for (const { due } of to) due.push(text)
    expect(await hub.room('room').send(text)).toMatchObject({ local: to.length })
    await compare(to)
  }
  for (const { connection } of [...members, ...late]) connection.join('room')
  await say('a', [...members, ...late])
  // Its server is forgotten when another comes, and known again when somebody comes to it.
  late[0]!.client.destroy()
  await late[0]!.client.until(() => hub.stats().connections === 65)
  const fourth = serve()
  late.push(await enter(fourth.port))
  late[2]!.connection.join('room')
  await say('b', [...members, ...late.slice(1)])
  late[0] = await enter(second.port)
  late[0]!.connection.join('room')
  await say('c', [...members, ...late])
  await third.stop(true)
  await late[1]!.client.until(() => hub.stats().connections === 66)
  late.splice(1, 1)
  await say('d', [...members, ...late])
  for (const server of [second, fourth]) await server.stop(true)
})
