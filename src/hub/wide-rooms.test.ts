import { expect, test } from 'vitest'
import type { Batch } from './batch.ts'
import { HubCore } from './hub-core.ts'
import { LiveConnection } from './live-connection.ts'
import { consoleLog } from './log.ts'
import type { Message } from './message.ts'
import { hubOptions } from './options.ts'
import type { Publisher, TopicMember, TransportConnection } from './transport.ts'

/** A runtime with topics, which notes what each socket gets. */
class FakeRuntime implements Publisher {
  readonly sockets: FakeSocket[] = []

  publish(topic: string, { data }: Message): void {
    for (const socket of this.sockets) if (socket.topics.has(topic)) socket.got.push(`published ${data}`)
  }
}

class FakeSocket {
  readonly topics = new Set<string>()
  readonly got: string[] = []
  ready = true
  queuedBytes = 0
  terminated = false

  connection(publisher: Publisher | null): TransportConnection {
    const member = (of: Publisher): TopicMember => ({
      publisher: of,
      subscribe: (topic) => void this.topics.add(topic),
      unsubscribe: (topic) => void this.topics.delete(topic),
      keepsUp: () => this.ready,
    })
    const socket = this
    return {
      get queuedBytes() {
        return socket.queuedBytes
      },
      topics: publisher === null ? null : member(publisher),
      send: (batch: Batch) => {
        for (const { data } of batch.messages()) this.got.push(`sent ${data}`)
        return this.ready
      },
      ping() {},
      pause() {},
      resume() {},
      close() {},
      terminate: () => {
        this.terminated = true
      },
    }
  }
}

function start(runtime = new FakeRuntime()) {
  const core = new HubCore(hubOptions.parse({}), 'n1', consoleLog)
  const open = (publisher: Publisher | null = runtime) => {
    const socket = new FakeSocket()
    runtime.sockets.push(socket)
    const id = `n1.${runtime.sockets.length}`
    const identity = { id, user: null, data: undefined, remoteAddress: '', protocol: null }
    const connection = new LiveConnection(core, identity)
    connection.opened(socket.connection(publisher))
    connection.join('room')
    return { connection, socket }
  }
  const send = (data: string, except: string | null = null) =>
    core.roster.carryOut(
      { kind: 'room', name: 'room' },
      { do: 'send', data, except, key: null, position: null },
    )
  /** What each has got since the last time, when all of them got the same. */
  const got = (all: readonly { readonly socket: FakeSocket }[]) => {
    core.outbox.flush()
    const each = new Set(all.map(({ socket }) => socket.got.splice(0).join(', ')))
    return [...each].join(' | ')
  }
  return { core, open, send, got, many: (count: number) => Array.from({ length: count }, () => open()) }
}

test('a room is wide from 64 members on, until it has fewer than 32', () => {
  const { open, send, got, many } = start()
  const members = many(63)
  expect(send('a')).toEqual({ local: 63, dropped: 0 })
  expect(got(members)).toBe('sent a')
  members.push(open())
  expect(send('b')).toEqual({ local: 64, dropped: 0 })
  expect(got(members)).toBe('published b')
  const gone = members.splice(32)
  for (const { connection } of gone) connection.leave('room')
  expect(send('c')).toEqual({ local: 32, dropped: 0 })
  expect(got(members)).toBe('published c')
  expect(got(gone)).toBe('')
  members.pop()?.connection.close()
  expect(send('d')).toEqual({ local: 31, dropped: 0 })
  expect(got(members)).toBe('sent d')
  expect(members.some(({ socket }) => socket.topics.size > 0)).toBe(false)
})

test('a room without topics, or with those of several runtimes, reaches everybody', () => {
  const { open, send, got, many } = start()
  const without = Array.from({ length: 70 }, () => open(null))
  expect(send('a')).toEqual({ local: 70, dropped: 0 })
  expect(got(without)).toBe('sent a')
  for (const { connection } of without) connection.close()
  const members = many(70)
  const others = [open(null), open({ publish() {} })]
  expect(send('b')).toEqual({ local: 72, dropped: 0 })
  expect(got(members)).toBe('published b')
  expect(got(others)).toBe('sent b')
})

test('hubs behind one server, with rooms of the same name, keep their messages to themselves', () => {
  const runtime = new FakeRuntime()
  const [one, other] = [start(runtime), start(runtime)]
  const members = [one.many(64), other.many(64)] as const
  one.send('a')
  other.send('b')
  expect([one.got(members[0]), other.got(members[1])]).toEqual(['published a', 'published b'])
})

test('one that is excepted, and those with messages before it, are not published to', () => {
  const { send, got, many } = start()
  const [sender, other, ...members] = many(70) as [Opened, Opened, ...Opened[]]
  other.connection.send('first')
  expect(send('second', sender.connection.id)).toEqual({ local: 69, dropped: 0 })
  other.connection.send('third')
  expect(got([other])).toBe('sent first, sent second, sent third')
  expect(got([sender])).toBe('')
  expect(got(members)).toBe('published second')
  expect(send('next')).toEqual({ local: 70, dropped: 0 })
  expect(got([sender, other, ...members])).toBe('published next')
  // Too many for such care: all get it one by one.
  for (const { connection } of members.slice(0, 17)) connection.send('first')
  expect(send('second', other.connection.id)).toEqual({ local: 69, dropped: 0 })
  expect(got(members.slice(0, 17))).toBe('sent first, sent second')
  expect(got([sender, ...members.slice(17)])).toBe('sent second')
  expect(got([other])).toBe('')
})

test('who does not keep up is found after some messages, has a queue then, and comes back from it', () => {
  const { core, send, got, many } = start()
  const [slow, ...members] = many(70) as [Opened, ...Opened[]]
  expect(send('0').local).toBe(70)
  slow.socket.ready = false
  for (let at = 1; at <= 8; at++) expect(send(String(at))).toEqual({ local: 70, dropped: 0 })
  expect(slow.connection.isBehind).toBe(true)
  expect(core.stats()).toMatchObject({ slow: 1 })
  // The last of them waits already.
  expect(got([slow])).toBe(
    'published 0, published 1, published 2, published 3, published 4, published 5, published 6',
  )
  expect(got(members)).toContain('published 8')
  expect(slow.connection.queuedBytes).toBe(2 * 65)
  slow.socket.ready = true
  slow.connection.drained()
  expect(got([slow])).toBe('sent 7, sent 8')
  send('9')
  expect(got([slow, ...members])).toBe('published 9')
})

test('who does not keep up is found at once after a large message', () => {
  const { send, many } = start()
  const [slow] = many(70) as [Opened, ...Opened[]]
  send('x'.repeat(16 * 1024))
  slow.socket.ready = false
  expect(slow.connection.isBehind).toBe(false)
  send('x'.repeat(16 * 1024))
  expect(slow.connection.isBehind).toBe(true)
  expect(slow.connection.queuedBytes).toBe(16 * 1024 + 64)
})

test('who falls behind while messages of the same turn wait for it gets all of them once, in order', () => {
  const { send, got, many } = start()
  const [slow, ...members] = many(70) as [Opened, ...Opened[]]
  send('x'.repeat(16 * 1024))
  got([slow, ...members])
  slow.connection.send('1')
  slow.socket.ready = false
  const large = `2${'x'.repeat(16 * 1024)}`
  send(large)
  expect(slow.connection.isBehind).toBe(true)
  send('3')
  send('4')
  slow.socket.ready = true
  slow.connection.drained()
  expect(got([slow])).toBe(`sent 1, sent ${large}, sent 3, sent 4`)
  expect(got(members)).toBe(`published ${large}, published 3, published 4`)
  slow.connection.send('5')
  slow.socket.ready = false
  send(large)
  send('6')
  expect(got([slow])).toBe('sent 5')
  send('7')
  slow.socket.ready = true
  slow.connection.drained()
  expect(got([slow])).toBe(`sent ${large}, sent 6, sent 7`)
})

test('who does not keep up in a room where little is said is found by the heartbeat', () => {
  const { many, send } = start()
  const [slow] = many(70) as [Opened]
  send('0')
  slow.socket.ready = false
  slow.connection.beat()
  expect(slow.connection.isBehind).toBe(true)
})

test('a queue that is full counts as dropped, and closes', () => {
  const { core, send, many } = start()
  const [slow] = many(70) as [Opened, ...Opened[]]
  slow.socket.ready = false
  const large = 'x'.repeat(400 * 1024)
  const results = Array.from({ length: 4 }, () => send(large))
  expect(results.map(({ dropped }) => dropped)).toEqual([0, 0, 1, 0])
  expect(results.map(({ local }) => local)).toEqual([70, 70, 70, 69])
  expect(slow.connection.isOpen).toBe(false)
  expect(core.stats()).toMatchObject({ closedSlow: 1, slow: 0 })
})

test('a room that is wide no more because a queue is full has lost nothing for those who do not keep up either', () => {
  const { core, send, got, many } = start()
  const members = many(64)
  send('0')
  const slow = members.slice(0, 3)
  for (const { socket } of slow) socket.ready = false
  send('x'.repeat(16 * 1024))
  send('x'.repeat(16 * 1024))
  expect(core.stats()).toMatchObject({ slow: 3 })
  for (const { connection } of members.splice(32)) connection.leave('room')
  got(members)
  // The first has no room for it any more.
  slow[0]?.connection.send('x'.repeat(985 * 1024))
  expect(send('y'.repeat(16 * 1024))).toEqual({ local: 32, dropped: 1 })
  expect(core.stats()).toMatchObject({ slow: 2, closedSlow: 1 })
  for (const { connection } of slow.slice(1)) expect(connection.queuedBytes).toBe(3 * (16 * 1024 + 64))
})

test('who falls behind while a message is being sent does not get it twice', () => {
  const { core, send, got, many } = start()
  const [full, later, ...members] = many(70) as [Opened, Opened, ...Opened[]]
  send('0')
  full.socket.ready = false
  send('x'.repeat(16 * 1024))
  expect(core.stats()).toMatchObject({ slow: 1 })
  got([later])
  full.connection.send('x'.repeat(1000 * 1024))
  let told = 0
  core.listen('slowConsumer', () => {
    if (told++ > 0) return
    later.socket.ready = false
    send('z'.repeat(16 * 1024))
  })
  send('y'.repeat(16 * 1024))
  expect(told).toBe(1)
  expect(later.connection.queuedBytes).toBe(16 * 1024 + 64)
  expect(got([later])).toBe(`published ${'y'.repeat(16 * 1024)}`)
  expect(members.length).toBe(68)
})

test('one that has missed something of the room is sent to by itself, whoever else it may concern', () => {
  const { core, open, send, got, many } = start()
  const members = many(70)
  const late = open()
  late.connection.leave('room')
  late.connection.had = new Map([['room', { epoch: 'e', offset: 3 }]])
  late.connection.join('room')
  const order = { do: 'send', except: null, key: null } as const
  const to = { kind: 'room', name: 'room' } as const
  const place = (offset: number) => ({ ...order, data: String(offset), position: { epoch: 'e', offset } })
  expect(core.roster.carryOut(to, place(3))).toEqual({ local: 70, dropped: 0 })
  expect(core.roster.carryOut(to, place(4))).toEqual({ local: 71, dropped: 0 })
  expect(got([late])).toBe('sent 4')
  expect(got(members)).toBe('published 3, published 4')
  late.connection.leave('room')
  late.connection.join('room')
  send('5')
  expect(got([late, ...members])).toBe('published 5')
})

test('the heartbeat sees what was published after its ping: who takes of it is alive, who does not is dead', () => {
  const { send, many } = start()
  const [slow] = many(70) as [Opened]
  const { connection, socket } = slow
  send('0')
  // The ping leaves, and then comes more than the peer has taken when its answer is due.
  connection.beat()
  send('x'.repeat(5_000_000))
  socket.ready = false
  socket.queuedBytes = 4_000_000
  connection.beat()
  expect(socket.terminated).toBe(false)
  expect(connection.isBehind).toBe(true)
  connection.beat()
  socket.queuedBytes = 3_000_000
  connection.beat()
  expect(socket.terminated).toBe(false)
  connection.beat()
  connection.beat()
  expect(socket.terminated).toBe(true)
})

test('what is published counts as messages out, and as activity of the members', () => {
  const { core, send, many } = start()
  const [member] = many(70) as [Opened, ...Opened[]]
  const before = core.counters.messagesOut
  for (let at = 0; at < 5; at++) send('four')
  expect(core.counters.messagesOut - before).toBe(350)
  expect(core.counters.bytesOut).toBe(1400)
  expect(core.wide.published(member.connection)).toBe(5)
})

type Opened = ReturnType<ReturnType<typeof start>['open']>
