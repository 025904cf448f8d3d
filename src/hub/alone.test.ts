import { afterEach, describe, expect, test } from 'vitest'
import type { Position } from './cluster.ts'
import type { Connection } from './connection.ts'
import { eventually } from './contract/cluster-rig.ts'
import { HubRig } from './contract/hub-rig.ts'
import { createHub } from './create-hub.ts'
import type { HubOptions } from './options.ts'

/** A hub without a cluster has everything that several have, in one process. */

const rigs: HubRig[] = []

async function start(options: HubOptions = {}) {
  const rig = await HubRig.start(options)
  rigs.push(rig)
  const connections: Connection[] = []
  rig.hub.on('connection', (connection) => void connections.push(connection))
  const open = async (user?: string) => {
    const before = connections.length
    const client = await rig.open(user === undefined ? {} : { headers: { 'X-User': user } })
    await eventually(() => connections.length > before, 'it is in')
    return { client, connection: connections.at(-1) as Connection }
  }
  return { rig, hub: rig.hub, open }
}

const byHeader: HubOptions['authenticate'] = ({ headers }) => ({
  user: headers['x-user'] ?? 'nobody',
  data: undefined,
})

afterEach(async () => {
  for (const rig of rigs.splice(0)) await rig.close()
})

describe('a hub that is alone', () => {
  test('is ready at once, and not when it stops', async () => {
    const { hub } = await start({ node: 'n1', address: '10.0.0.1:80' })
    expect(await hub.start()).toBe(true)
    expect(hub.ready()).toBe(true)
    expect(hub.nodes()).toEqual([
      { id: 'n1', address: '10.0.0.1:80', state: 'active', connections: 0, incarnation: 1 },
    ])
    expect(hub.stats().cluster).toMatchObject({ nodes: 1, ready: true, publishes: 0, channels: 0 })
    const closing = hub.close()
    expect(hub.ready()).toBe(false)
    await closing
  })

  test('answers its own questions, and tells nobody', async () => {
    const { hub, open } = await start()
    hub.answer('app:sum', (value) => (value as number[]).reduce((sum, each) => sum + each, 0))
    await open()
    await open()
    expect(await hub.ask('app:sum', [1, 2, 3])).toEqual({
      results: [{ node: hub.node, value: 6 }],
      missing: [],
    })
    expect((await hub.ask('app:unknown')).missing).toEqual([{ node: hub.node, reason: 'unknown' }])
    expect(await hub.everybody.count()).toMatchObject({ total: 2, missing: [] })
    const heard: unknown[] = []
    hub.on('app:news', (value) => heard.push(value))
    await hub.emit('app:news', 1)
    expect(heard).toEqual([])
    expect(() => hub.answer('app:sum', () => 1)).toThrow('already')
  })

  test('answers itself as others would be answered, until it answers no more', async () => {
    const { hub } = await start()
    const asked: unknown[] = []
    const state = { since: new Date(0) }
    const stop = hub.answer('app:state', (value) => {
      asked.push(value)
      return state
    })
    const question = { at: new Date(0), none: undefined }
    const answered = { node: hub.node, value: { since: '1970-01-01T00:00:00.000Z' } }
    expect(await hub.ask('app:state', question)).toEqual({ results: [answered], missing: [] })
    expect(asked).toEqual([{ at: '1970-01-01T00:00:00.000Z' }])
    stop()
    stop()
    expect((await hub.ask('app:state')).results).toEqual([])
    hub.answer('app:state', () => undefined)
    expect((await hub.ask('app:state')).results).toEqual([{ node: hub.node, value: null }])
  })

  test('says which events there are, and what listens to them', async () => {
    const { hub } = await start()
    const on = (event: unknown, handler: unknown) =>
      expect(() => hub.on(event as 'close', handler as () => void))
    on('conection', () => {}).toThrow(
      'expected the name of an event, or one with a colon, found "conection" (did you mean \'connection\'?)',
    )
    on('userjoined', () => {}).toThrow("did you mean 'userJoined'?")
    on('toString', () => {}).toThrow('found "toString"')
    on(7, () => {}).toThrow(TypeError)
    on('connection', undefined).toThrow('expected a function for "connection", found undefined')
    on('app:x', null).toThrow('expected a function for "app:x", found null')
    expect(() => hub.answer('app:x', 'x' as never)).toThrow('expected a function for "app:x", found string')
    on('close', () => {}).not.toThrow()
  })

  test.each(['plain', '', 'x'.repeat(200)])('has no event or question of the name %j', async (name) => {
    const { hub } = await start()
    expect(() => hub.emit(name as 'a:b', 1)).toThrow(TypeError)
    expect(() => hub.ask(name as 'a:b', 1)).toThrow(TypeError)
    expect(() => hub.answer(name as 'a:b', () => 1)).toThrow(TypeError)
  })

  test('says so when a value cannot be JSON', async () => {
    const { hub } = await start()
    expect(() => hub.emit('app:x', 1n)).toThrow(TypeError)
    expect(() => hub.ask('app:x', 1n)).toThrow(TypeError)
  })

  test('knows who is present, once for each user', async () => {
    const options: HubOptions = {
      authenticate: byHeader,
      presenceGrace: '100ms',
      userPresence: true,
      rooms: { 'p-*': { presence: true } },
    }
    const { hub, open } = await start(options)
    const told: string[] = []
    hub.on('userJoined', ({ room, user }) => told.push(`join ${room} ${user}`))
    hub.on('userLeft', ({ room, user }) => told.push(`leave ${room} ${user}`))
    hub.on('userOnline', ({ user }) => told.push(`online ${user}`))
    hub.on('userOffline', ({ user }) => told.push(`offline ${user}`))
    const one = await open('ann')
    const two = await open('ann')
    one.connection.join('p-1')
    two.connection.join('p-1')
    two.connection.join('plain')
    await eventually(() => told.includes('join p-1 ann'), 'ann has joined')
    expect(await hub.room('p-1').presence.count()).toEqual({ count: 1, missing: [] })
    expect(await hub.room('p-1').presence.devices('ann')).toEqual({ count: 2, missing: [] })
    expect(await hub.presence.list()).toEqual({ users: ['ann'], next: null, missing: [] })
    one.connection.close()
    two.connection.close()
    await eventually(() => told.includes('offline ann') && told.includes('leave p-1 ann'), 'ann is gone')
    expect(told.sort()).toEqual(['join p-1 ann', 'leave p-1 ann', 'offline ann', 'online ann'])
    expect(await hub.room('p-1').presence.count()).toEqual({ count: 0, missing: [] })
    expect(() => hub.room('plain').presence).toThrow('presence: true')
    await expect(hub.room('p-1').presence.list({ limit: 0 })).rejects.toThrow(RangeError)
    await expect(hub.room('p-1').presence.list({ after: -1 })).rejects.toThrow(RangeError)
  })

  test('keeps the history of a room for those who come back', async () => {
    const { hub, open, rig } = await start({
      rooms: {
        chat: { history: { size: 3, stamp: (data, position) => `${position?.offset} ${data}` } },
        odd: { history: { size: 3, stamp: () => 7 as never } },
      },
    })
    const { client, connection } = await open()
    const joined = await connection.join('chat', { since: null })
    expect(joined).toMatchObject({ joined: true, recovered: 0, complete: true, position: { offset: 0 } })
    const sent: (Position | null)[] = []
    for (const text of ['one', 'two', 'three', 'four'])
      sent.push((await hub.room('chat').send(text)).position)
    expect(sent.map((position) => position?.offset)).toEqual([1, 2, 3, 4])
    for (const text of ['1 one', '2 two', '3 three', '4 four']) expect(await client.nextText()).toBe(text)
    expect(await connection.join('chat', { since: sent[0] as Position })).toMatchObject({ joined: false })

    const second = await open()
    expect(await second.connection.join('chat', { since: sent[1] as Position })).toEqual({
      joined: true,
      recovered: 2,
      complete: true,
      position: sent[3],
    })
    await hub.room('chat').send('five', { except: connection })
    for (const text of ['3 three', '4 four', '5 five']) expect(await second.client.nextText()).toBe(text)
    expect(client.frames).toEqual([])

    const third = await open()
    expect(await third.connection.join('chat', { since: sent[0] as Position })).toMatchObject({
      recovered: 3,
      complete: false,
    })
    expect(await hub.room('chat').history(null, 1)).toMatchObject({
      messages: [{ position: { offset: 5 }, data: 'five' }],
    })

    third.connection.join('odd')
    expect((await hub.room('odd').send('as it is')).status).toBe('relayed')
    await third.client.until(() =>
      third.client.frames.some(({ payload }) => payload.toString() === 'as it is'),
    )
    expect(rig.lines.map(({ message }) => message)).toContain('a stamp failed: the message is sent as it is')
  })

  test('says so when a position or a room is none', async () => {
    const { hub, open } = await start({ rooms: { chat: { history: {} } } })
    const { connection } = await open()
    for (const since of [{}, { epoch: 1, offset: 1 }, { epoch: 'x', offset: -1 }, 'x', undefined]) {
      expect(() => connection.join('chat', { since: since as never })).toThrow(RangeError)
    }
    expect(() => connection.join('plain', { since: null })).toThrow('history: { size, age }')
    await expect(hub.room('plain').history()).rejects.toThrow('history: { size, age }')
    expect(() => hub.presence).toThrow('userPresence')
    expect(() => hub.room('chat').send(7 as never)).toThrow(TypeError)
  })

  test('a connection that is closed comes into no room', async () => {
    const { open } = await start({ rooms: { chat: { history: {} } } })
    const { connection } = await open()
    connection.close()
    expect(await connection.join('chat', { since: null })).toMatchObject({ joined: false })
  })
})

test('a room with history needs a driver that keeps one', () => {
  const driver = {
    name: 'forgetful',
    connect: () => ({ bus: {} as never, registry: {} as never, history: null }),
  }
  expect(() => createHub({ cluster: driver, rooms: { a: { history: {} } } })).toThrow(
    'rooms: found history, expected none, because the driver forgetful keeps none',
  )
})
