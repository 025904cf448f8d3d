import { afterEach, describe, expect, test, vi } from 'vitest'
import type { CloseInfo, Connection, SendResult } from './connection.ts'
import { HubRig } from './contract/hub-rig.ts'
import type { RawClient } from './contract/raw-client.ts'
import type { SlowConsumer } from './events.ts'
import type { HubOptions } from './options.ts'

const rigs: { close(): Promise<void> }[] = []

async function start<UserData = undefined>(options: HubOptions<UserData> = {}): Promise<HubRig<UserData>> {
  const rig = await HubRig.start(options)
  rigs.push(rig)
  return rig
}

afterEach(async () => {
  for (const rig of rigs.splice(0)) await rig.close()
})

/** What became of something that concerned so many connections. */
const onlyHere = (local: number) => ({ local, dropped: 0, status: 'local', position: null })

const turn = () => new Promise<void>((resolve) => setImmediate(resolve))
const sleep = (milliseconds: number) => new Promise<void>((resolve) => setTimeout(resolve, milliseconds))

async function eventually(holds: () => boolean, milliseconds = 8000): Promise<void> {
  const deadline = performance.now() + milliseconds
  while (!holds()) {
    if (performance.now() > deadline) throw new Error('what was waited for did not happen')
    await sleep(2)
  }
}

/** A rig with one client and its connection. */
async function startOne<UserData = undefined>(options: HubOptions<UserData> = {}) {
  const rig = await start(options)
  const found: Connection<UserData>[] = []
  rig.hub.on('connection', (connection) => void found.push(connection))
  const client = await rig.open()
  await eventually(() => found.length === 1)
  return { rig, hub: rig.hub, client, connection: found[0] as Connection<UserData> }
}

/** Fills a client's buffers until sends are queued. */
async function stall(client: RawClient, connection: Connection): Promise<void> {
  client.socket.pause()
  const chunk = Buffer.alloc(128 * 1024)
  for (let at = 0; at < 400; at++) {
    if (connection.send(chunk) === 'queued') return
    await turn()
  }
  throw new Error('the peer takes everything')
}

describe('messages of one connection', () => {
  test('are handled in order, each after the one before it is done', async () => {
    const rig = await start()
    const seen: string[] = []
    rig.hub.on('connection', (connection) => {
      connection.on('message', async (data) => {
        seen.push(`start ${data}`)
        await sleep(5)
        seen.push(`end ${data}`)
      })
    })
    const client = await rig.open()
    for (let at = 0; at < 5; at++) client.text(String(at))
    await eventually(() => seen.length === 10)
    expect(seen).toEqual([0, 1, 2, 3, 4].flatMap((at) => [`start ${at}`, `end ${at}`]))
  })

  test('wait for an async connection handler', async () => {
    const rig = await start()
    const seen: unknown[] = []
    rig.hub.on('connection', async (connection) => {
      await sleep(50)
      connection.on('message', (data) => void seen.push(data))
    })
    const client = await rig.open()
    client.text('early')
    client.text('too')
    await eventually(() => seen.length === 2)
    expect(seen).toEqual(['early', 'too'])
  })

  test('go to the hub’s handlers, too', async () => {
    const rig = await start()
    const seen: string[] = []
    rig.hub.on('connection', (connection) => {
      connection.on('message', (data) => void seen.push(`own ${data}`))
    })
    const off = rig.hub.on('message', ({ connection, data }) => {
      seen.push(`hub ${data}`)
      connection.send(`echo ${data}`)
    })
    const client = await rig.open()
    client.text('a')
    expect(await client.nextText()).toBe('echo a')
    off()
    client.text('b')
    await eventually(() => seen.length === 3)
    expect(seen).toEqual(['hub a', 'own a', 'own b'])
  })

  test('that wait too many pause the socket, and all are handled in the end', async () => {
    const rig = await start({ receiveQueue: { messages: 8, bytes: '1MiB' } })
    let open: () => void = () => {}
    const gate = new Promise<void>((resolve) => {
      open = resolve
    })
    const seen: number[] = []
    rig.hub.on('message', async ({ data }) => {
      await gate
      seen.push(Number(String(data).slice(0, 6)))
    })
    const client = await rig.open()
    const count = 3000
    const padding = 'x'.repeat(8000)
    for (let at = 0; at < count; at++) client.text(`${String(at).padStart(6, '0')}${padding}`)
    await eventually(() => rig.hub.stats().messagesIn > 8)
    await sleep(100)
    // 24 MB were sent; the hub has taken its queue and what the runtime had read.
    expect(rig.hub.stats().bytesIn).toBeLessThan(2 * 1024 * 1024)
    expect(client.socket.writableLength).toBeGreaterThan(0)
    open()
    await eventually(() => seen.length === count, 15_000)
    expect(seen).toEqual(Array.from({ length: count }, (_, at) => at))
  })

  test('that had arrived before an orderly goodbye are handled before it is told', async () => {
    const rig = await start()
    const seen: string[] = []
    rig.hub.on('message', async ({ data }) => {
      await sleep(5)
      seen.push(String(data))
    })
    rig.hub.on('close', ({ code }) => void seen.push(`close ${code}`))
    const client = await rig.open()
    for (const data of ['a', 'b', 'c']) client.text(data)
    client.close(1000)
    await eventually(() => seen.includes('close 1000'))
    expect(seen).toEqual(['a', 'b', 'c', 'close 1000'])
  })

  test('do not keep the end from being told for longer than a goodbye may take', async () => {
    const rig = await start({ closeTimeout: '200ms' })
    const ends: number[] = []
    rig.hub.on('message', () => new Promise(() => {}))
    rig.hub.on('close', ({ code }) => void ends.push(code))
    const client = await rig.open()
    client.text('never done')
    client.text('waits')
    await eventually(() => rig.hub.stats().messagesIn === 2)
    client.close(1000)
    await eventually(() => ends.length === 1)
    expect(ends).toEqual([1000])
  })
})

describe('a handler that fails', () => {
  test('closes its connection also when the log fails, and the process lives', async () => {
    const told = vi.spyOn(console, 'error').mockImplementation(() => {})
    const fail = () => {
      throw new Error('of the log')
    }
    const rig = await start({ log: { info: fail, warn: fail, error: fail } })
    rig.hub.on('message', fail)
    const client = await rig.open()
    client.text('anything')
    expect((await client.nextClose()).code).toBe(1011)
    expect(told).toHaveBeenCalledTimes(1)
    told.mockRestore()
  })

  test.each([
    [
      'throws',
      () => {
        throw new Error('of the handler')
      },
    ],
    [
      'rejects',
      async () => {
        await turn()
        throw new Error('of the handler')
      },
    ],
    ['rejects beside one that throws', () => Promise.reject(new Error('of the handler'))],
  ] as const)('because it %s closes its connection with 1011 and nothing else', async (how, fail) => {
    const rig = await start()
    const handled: string[] = []
    rig.hub.on('message', ({ data }) => (data === 'fail' ? fail() : void handled.push(String(data))))
    if (how.includes('beside')) {
      rig.hub.on('message', ({ data }) => {
        if (data === 'fail') throw new Error('of the other')
      })
    }
    const [client, other] = [await rig.open(), await rig.open()]
    client.text('fail')
    client.text('not handled')
    expect(await client.nextClose()).toEqual({ code: 1011, reason: 'internal error' })
    other.text('goes on')
    await eventually(() => handled.length === 1)
    expect(handled).toEqual(['goes on'])
    expect(rig.lines.length).toBe(1)
    expect(rig.lines[0]).toMatchObject({ level: 'error', fields: { event: 'handler.failed' } })
    expect(rig.hub.stats().failedHandlers).toBe(1)
    await turn()
  })

  test.each(['throws', 'rejects'])('of `connection` because it %s is no different', async (how) => {
    const rig = await start()
    rig.hub.on('connection', () => {
      if (how === 'throws') throw new Error('of the handler')
      return Promise.reject(new Error('of the handler'))
    })
    const client = await rig.open()
    expect((await client.nextClose()).code).toBe(1011)
    expect(rig.lines.length).toBe(1)
  })

  test('of `close` is logged', async () => {
    const { rig, client, connection } = await startOne()
    const ends: CloseInfo[] = []
    connection.on('close', () => {
      throw new Error('of the handler')
    })
    connection.on('close', (info) => void ends.push(info))
    rig.hub.on('close', () => {
      throw new Error('of the listener')
    })
    client.close(4321, 'why')
    await eventually(() => ends.length === 1)
    expect(ends).toEqual([{ code: 4321, reason: 'why', by: 'client' }])
    expect(rig.lines.length).toBe(2)
  })

  test('after the connection has ended is logged', async () => {
    const rig = await start()
    rig.hub.on('message', async () => {
      await sleep(50)
      throw new Error('too late')
    })
    const client = await rig.open()
    client.text('a')
    await eventually(() => rig.hub.stats().messagesIn === 1)
    client.destroy()
    await eventually(() => rig.lines.length === 1)
    expect(rig.hub.stats().connections).toBe(0)
  })
})

describe('sending', () => {
  test('of one turn leaves in one write, in order, direct and to rooms', async () => {
    const rig = await start()
    rig.hub.on('connection', (connection) => void connection.join('room'))
    const clients = [await rig.open(), await rig.open()]
    await eventually(() => rig.hub.room('room').localCount === 2)
    await sleep(20)
    const before = clients.map(({ reads }) => reads)
    const [first] = [...rig.hub.connections()]
    const expected: string[] = []
    for (let at = 0; at < 10; at++) {
      void rig.hub.room('room').send(`to all ${at}`)
      first?.send(`to one ${at}`)
      expected.push(`to all ${at}`, `to one ${at}`)
      // Promises settle within the turn.
      await Promise.resolve()
    }
    await clients[0]?.until(() => clients[0]?.frames.length === 20)
    await clients[1]?.until(() => clients[1]?.frames.length === 10)
    expect(clients.map(({ reads }, at) => reads - (before[at] as number))).toEqual([1, 1])
    expect(clients[0]?.frames.map(({ payload }) => payload.toString())).toEqual(expected)
    expect(rig.hub.stats()).toMatchObject({ messagesOut: 30 })
  })

  test('takes the bytes as they are now', async () => {
    const { client, connection } = await startOne()
    const bytes = Uint8Array.of(1, 2, 3)
    connection.send(bytes)
    bytes.fill(9)
    expect([...(await client.next()).payload]).toEqual([1, 2, 3])
  })

  test('says what happened', async () => {
    const { client, connection } = await startOne({ sendQueue: { limit: '1KiB', whenFull: 'drop-newest' } })
    const results: SendResult[] = [connection.send('a')]
    await stall(client, connection)
    results.push(connection.send('b'), connection.send('x'.repeat(2000)))
    connection.terminate()
    results.push(connection.send('c'))
    expect(results).toEqual(['sent', 'queued', 'dropped', 'closed'])
  })

  test('of what is neither text nor bytes throws where it is done', async () => {
    const { rig, connection } = await startOne()
    expect(() => connection.send({ a: 1 } as never)).toThrow(
      'expected a string or a Uint8Array as message, found Object',
    )
    expect(() => rig.hub.everybody.send(7 as never)).toThrow(
      'expected a string or a Uint8Array as message, found number',
    )
    expect(() => connection.close(1005)).toThrow(RangeError)
    expect(() => rig.hub.room('')).toThrow(RangeError)
    expect(() => connection.join('a\nb')).toThrow(RangeError)
    expect(connection.isOpen).toBe(true)
  })

  test('before a close arrives before it', async () => {
    const { client, connection } = await startOne()
    connection.send('last words')
    connection.close(4000, 'é'.repeat(100))
    expect(connection.isOpen).toBe(false)
    expect(await client.nextText()).toBe('last words')
    expect(await client.nextClose()).toEqual({ code: 4000, reason: 'é'.repeat(61) })
  })

  test('of more than the queue holds to a peer that reads arrives', async () => {
    const { client, connection } = await startOne({ sendQueue: { limit: '1KiB' } })
    expect(connection.send(Buffer.alloc(3_000_000, 1))).not.toBe('dropped')
    expect((await client.next()).payload.length).toBe(3_000_000)
  })
})

describe('a peer that does not keep up', () => {
  test('is closed with 4008 when its queue is full, and told of', async () => {
    const { rig, client, connection } = await startOne({ sendQueue: { limit: '64KiB' } })
    const slow: SlowConsumer[] = []
    rig.hub.on('slowConsumer', (event) => void slow.push(event))
    await stall(client, connection)
    expect(rig.hub.stats().slow).toBe(1)
    let result: SendResult = 'queued'
    for (let at = 0; result === 'queued' && at < 1000; at++) result = connection.send('x'.repeat(1000))
    expect(result).toBe('closed')
    expect(connection.isOpen).toBe(false)
    expect(slow).toMatchObject([{ whenFull: 'close' }])
    expect(slow[0]?.connection).toBe(connection)
    expect(rig.hub.stats()).toMatchObject({ closedSlow: 1, slowConsumers: 1, slow: 0 })
    client.socket.resume()
    expect(await client.nextClose()).toEqual({ code: 4008, reason: 'too slow to take its messages' })
  })

  test('is cut when it does not even read its Close', async () => {
    const { rig, client, connection } = await startOne({
      sendQueue: { limit: '1KiB' },
      closeTimeout: '200ms',
    })
    const ends: CloseInfo[] = []
    connection.on('close', (info) => void ends.push(info))
    await stall(client, connection)
    while (connection.send('x'.repeat(200)) === 'queued');
    await eventually(() => ends.length === 1)
    expect(ends).toEqual([{ code: 4008, reason: 'too slow to take its messages', by: 'server' }])
    await eventually(() => rig.hub.stats().connections === 0)
  })

  test.each([
    ['drop-oldest', 'droppedOldest', (from: number) => from > 0],
    ['drop-newest', 'droppedNewest', (from: number) => from === 0],
  ] as const)('loses what %s says, counted, and nothing twice', async (whenFull, counter, startsRight) => {
    const { rig, client, connection } = await startOne({ sendQueue: { limit: '64KiB', whenFull } })
    await stall(client, connection)
    for (let at = 0; at < 2000; at++) connection.send(`n ${at}`)
    const dropped = rig.hub.stats()[counter]
    expect(dropped).toBeGreaterThan(500)
    expect(rig.hub.stats().slowConsumers).toBe(1)
    client.socket.resume()
    await client.until(() => client.frames.filter(({ opcode }) => opcode === 1).length === 2000 - dropped)
    await eventually(() => rig.hub.stats().slow === 0)
    const numbers = client.frames
      .filter(({ opcode }) => opcode === 1)
      .map(({ payload }) => Number(payload.toString().slice(2)))
    expect(startsRight(numbers[0] as number)).toBe(true)
    expect(numbers).toEqual(numbers.map((_, at) => (numbers[0] as number) + at))
    expect(connection.send('again')).toBe('sent')
  })

  test('gets the last of each key with `conflate`', async () => {
    const { rig, client, connection } = await startOne({
      sendQueue: { limit: '64KiB', whenFull: 'conflate' },
    })
    await stall(client, connection)
    for (let at = 0; at < 5000; at++) {
      expect(connection.send(`${at % 3} ${at}`, { key: String(at % 3) })).toBe('queued')
    }
    client.socket.resume()
    await client.until(() => client.frames.filter(({ opcode }) => opcode === 1).length === 3)
    const texts = client.frames.filter(({ opcode }) => opcode === 1).map(({ payload }) => payload.toString())
    expect(texts).toEqual(
      ['0 4998', '1 4999', '2 4997'].sort((a, b) => Number(a.slice(2)) - Number(b.slice(2))),
    )
    expect(rig.hub.stats()).toMatchObject({ conflated: 4997, slowConsumers: 0 })
  })

  test('does not delay others', async () => {
    const rig = await start({ sendQueue: { limit: '8MiB' } })
    const stuck = await rig.open()
    const brisk = await rig.open()
    stuck.socket.pause()
    const chunk = Buffer.alloc(64 * 1024)
    for (let at = 0; at < 100; at++) {
      void rig.hub.everybody.send(chunk)
      await brisk.next(1000)
    }
    expect(rig.hub.stats().slow).toBe(1)
    expect(rig.hub.stats().queuedBytes).toBeGreaterThan(0)
  })
})

test("the runtime's own WebSocket talks to a hub", async () => {
  const rig = await start({ protocols: ['echo'] })
  rig.hub.on('message', ({ connection, data }) => void connection.send(data))
  const socket = new WebSocket(`ws://127.0.0.1:${rig.port}/`, ['other', 'echo'])
  socket.binaryType = 'arraybuffer'
  const received: unknown[] = []
  socket.onmessage = ({ data }) =>
    void received.push(typeof data === 'string' ? data : [...new Uint8Array(data)])
  await new Promise((resolve) => {
    socket.onopen = resolve
  })
  expect(socket.protocol).toBe('echo')
  socket.send('grüße')
  socket.send(Uint8Array.of(1, 2, 3))
  await eventually(() => received.length === 2)
  expect(received).toEqual(['grüße', [1, 2, 3]])
  const ended = new Promise<CloseEvent>((resolve) => {
    socket.onclose = resolve
  })
  await rig.hub.everybody.close(4001, 'enough')
  expect(await ended).toMatchObject({ code: 4001, reason: 'enough', wasClean: true })
})

describe('rooms', () => {
  test('are joined, left, addressed, and gone when they are empty', async () => {
    const rig = await start()
    const found: Connection[] = []
    rig.hub.on('connection', (connection) => void found.push(connection))
    const clients = [await rig.open(), await rig.open(), await rig.open()]
    await eventually(() => found.length === 3)
    const [a, b, c] = found as [Connection, Connection, Connection]
    expect(a.join('x')).toBe(true)
    expect(a.join('x')).toBe(false)
    expect(b.join('x')).toBe(true)
    expect([...a.rooms]).toEqual(['x'])
    const room = rig.hub.room('x')
    expect(room.localCount).toBe(2)
    expect(await room.send('hello', { except: a })).toEqual(onlyHere(1))
    expect(await room.send('again', { except: b.id })).toEqual(onlyHere(1))
    expect(await rig.hub.room('empty').send('nobody')).toEqual(onlyHere(0))
    expect(await rig.hub.everybody.send('end')).toEqual(onlyHere(3))
    expect(await clients[1]?.nextText()).toBe('hello')
    expect(await clients[0]?.nextText()).toBe('again')
    expect(await clients[2]?.nextText()).toBe('end')
    expect(rig.hub.stats().rooms).toBe(1)
    expect(a.leave('x')).toBe(true)
    expect(a.leave('x')).toBe(false)
    expect([...a.rooms]).toEqual([])
    clients[1]?.destroy()
    await eventually(() => rig.hub.stats().rooms === 0)
    expect(c.rooms.size).toBe(0)
    expect(room.localCount).toBe(0)
  })

  test('can be moved into and emptied from outside', async () => {
    const { rig, client, connection } = await startOne({
      authenticate: () => ({ user: 'ann', data: undefined }),
    })
    const second = await rig.open()
    await eventually(() => rig.hub.user('ann').localCount === 2)
    expect(await rig.hub.user('ann').join('den')).toEqual(onlyHere(2))
    expect(rig.hub.room('den').localCount).toBe(2)
    expect(await rig.hub.connection(connection.id).leave('den')).toMatchObject({ local: 1, status: 'local' })
    expect(await rig.hub.connection('nobody.there').send('x')).toMatchObject({ local: 0, status: 'gone' })
    await rig.hub.user('ann').send('to all devices')
    expect(await client.nextText()).toBe('to all devices')
    expect(await second.nextText()).toBe('to all devices')
    await rig.hub.room('den').close(4100, 'closed for today')
    expect(await second.nextClose()).toEqual({ code: 4100, reason: 'closed for today' })
    await rig.hub.user('ann').close()
    expect((await client.nextClose()).code).toBe(1000)
    expect(rig.hub.stats()).toMatchObject({ rooms: 0, users: 0 })
  })

  test('are left when the connection is closed, before its end', async () => {
    const { rig, connection } = await startOne()
    connection.join('x')
    connection.close()
    expect(rig.hub.stats()).toMatchObject({ rooms: 0, connections: 1 })
    expect(connection.join('y')).toBe(false)
    expect(rig.hub.stats().rooms).toBe(0)
  })
})

describe('the heartbeat', () => {
  test('cuts a peer that does not answer, and nobody who does', async () => {
    const rig = await start({ heartbeat: { interval: '100ms', timeout: '100ms' } })
    const ends: CloseInfo[] = []
    rig.hub.on('close', (info) => void ends.push(info))
    const silent = await rig.open()
    const lively = await rig.open()
    const talking = await rig.open()
    let answered = 0
    const answer = setInterval(() => {
      for (const frame of lively.frames.splice(0)) {
        if (frame.opcode !== 9) continue
        answered++
        lively.socket.write(Buffer.from([0x8a, 0x80, 0, 0, 0, 0]))
      }
      talking.text('never answers pings')
    }, 5)
    await eventually(() => ends.length === 1 && answered >= 3)
    clearInterval(answer)
    expect(ends).toMatchObject([{ code: 1006, by: 'server', reason: 'the other side does not answer' }])
    expect(rig.hub.stats()).toMatchObject({ connections: 2, unanswered: 1 })
    expect(silent.frames.map(({ opcode }) => opcode)).toEqual([9])
  })

  test('does not cut a peer that is not read', async () => {
    const rig = await start({
      heartbeat: { interval: '50ms', timeout: '50ms' },
      receiveQueue: { messages: 1 },
    })
    let done: () => void = () => {}
    rig.hub.on(
      'message',
      () =>
        new Promise<void>((resolve) => {
          done = resolve
        }),
    )
    const client = await rig.open()
    client.text('a')
    client.text('b')
    await sleep(500)
    expect(rig.hub.stats()).toMatchObject({ connections: 1, unanswered: 0 })
    done()
  })

  test('can be turned off', async () => {
    const { client } = await startOne({ heartbeat: false })
    await sleep(100)
    expect(client.frames).toEqual([])
  })
})

describe('the message rate', () => {
  test('makes what is too much wait', async () => {
    const rig = await start({ messageRate: { perSecond: 50, burst: 5 } })
    const times: number[] = []
    rig.hub.on('message', () => void times.push(performance.now()))
    const client = await rig.open()
    const before = performance.now()
    for (let at = 0; at < 20; at++) client.text(String(at))
    await eventually(() => times.length === 20)
    expect((times[4] as number) - before).toBeLessThan(250)
    // 15 more at 50 a second.
    expect((times[19] as number) - before).toBeGreaterThan(280)
  })

  test('closes with 1008 when it shall', async () => {
    const rig = await start({ messageRate: { perSecond: 1, burst: 3, whenExceeded: 'close' } })
    const seen: unknown[] = []
    rig.hub.on('message', ({ data }) => void seen.push(data))
    const client = await rig.open()
    for (let at = 0; at < 5; at++) client.text(String(at))
    expect(await client.nextClose()).toEqual({ code: 1008, reason: 'too many messages' })
    expect(seen).toEqual(['0', '1', '2'])
  })
})

describe('the end', () => {
  test('is told once, with who ended it', async () => {
    const { rig, client, connection } = await startOne()
    const ends: string[] = []
    connection.on('close', ({ code, by }) => void ends.push(`own ${code} ${by}`))
    rig.hub.on(
      'close',
      (info) => void ends.push(`hub ${info.code} ${info.by} ${info.connection === connection}`),
    )
    client.close(4002)
    await eventually(() => ends.length === 2)
    expect(ends).toEqual(['hub 4002 client true', 'own 4002 client'])
    connection.on('close', ({ code }) => void ends.push(`late ${code}`))
    await turn()
    expect(ends.at(-1)).toBe('late 4002')
  })

  test('of the hub closes everybody, cuts who does not answer, and is done twice', async () => {
    const rig = await start({ closeTimeout: '200ms' })
    const [polite, deaf] = [await rig.open(), await rig.open({ allowHalfOpen: true })]
    await eventually(() => rig.hub.stats().connections === 2)
    const closing = rig.hub.close()
    expect(rig.hub.close()).toBe(closing)
    const late = await rig.connect()
    expect(late.status).toBe(503)
    expect(Number(late.field('Retry-After'))).toBeGreaterThanOrEqual(1)
    expect(await polite.nextClose()).toEqual({ code: 1001, reason: 'server stopping' })
    polite.close(1001)
    await closing
    expect(rig.hub.stats().connections).toBe(0)
    await deaf.until(() => deaf.ended)
  })

  test('is reached by `await using`', async () => {
    const rig = await start()
    {
      await using hub = rig.hub
      await rig.open()
      await eventually(() => hub.stats().connections === 1)
      for (const client of rig.clients) client.close(1001)
    }
    expect(rig.hub.stats().connections).toBe(0)
  })

  test('by draining is spread over the window', async () => {
    const rig = await start({ closeTimeout: '500ms' })
    const clients: RawClient[] = []
    const times: number[] = []
    for (let at = 0; at < 20; at++) {
      const client = await rig.open()
      clients.push(client)
      void client.nextClose().then(({ code }) => {
        expect(code).toBe(1012)
        times.push(performance.now())
        client.close(code)
      })
    }
    const before = performance.now()
    await rig.hub.drain({ over: '1s' })
    await eventually(() => times.length === 20)
    const spread = times.map((time) => time - before)
    expect(spread.filter((time) => time < 400).length).toBeLessThan(15)
    expect(spread.filter((time) => time < 400).length).toBeGreaterThan(3)
    expect((await rig.connect()).status).toBe(503)
    await expect(rig.hub.drain({ over: 'soon' as never })).rejects.toThrow('expected a duration')
  })
})
