import { expect, test } from 'vitest'
import { Emitter } from '../core/emitter.ts'
import type { Socket, SocketHandler } from '../net/socket.ts'
import { closeCodes } from '../protocol/close-codes.ts'
import { encodeCloseFrame } from '../websocket/frame.ts'
import { Backend } from './backend.ts'
import type { GatewayEvents } from './events.ts'
import { IdleCollector } from './idle-collector.ts'
import type { Timers } from './timers.ts'
import { Tunnel } from './tunnel.ts'
import type { TunnelRules } from './tunnel-rules.ts'

// What depends on the moment a socket is full, which no real one can be made to be. All else: test/gateway/ws-*.

/** A socket that does what it is told and remembers it. */
class FakeSocket implements Socket {
  handler!: SocketHandler
  context: unknown
  readonly queuedBytes = 0
  readonly remoteAddress = '127.0.0.1'
  readonly remotePort = 1
  /** What `write` answers. */
  room = true
  readonly written: number[] = []
  paused = false
  ended = false
  aborted = false

  write(chunk: Uint8Array): boolean {
    if (this.ended || this.aborted) return true
    this.written.push(...chunk)
    return this.room
  }

  end(): void {
    this.ended = true
  }

  abort(): void {
    this.aborted = true
  }

  close(): void {
    this.aborted = true
  }

  pause(): void {
    this.paused = true
  }

  resume(): void {
    this.paused = false
  }
}

const halfClosed = 10_000
const noRules: TunnelRules = { heartbeat: null, idle: null, maxAge: null, drainOnRestart: true, halfClosed }
const clientClose = encodeCloseFrame(1000, '', new Uint8Array(4))
const backendClose = encodeCloseFrame(1000, '')
/** `hello`, as a backend says it. */
const hello = Uint8Array.of(0x81, 5, 0x68, 0x65, 0x6c, 0x6c, 0x6f)

function open(rules: Partial<TunnelRules> = {}) {
  const restarting: Backend[] = []
  const deadlines: number[] = []
  const timers = {
    now: () => 0,
    schedule: (_timer: unknown, milliseconds: number) => deadlines.push(milliseconds),
    cancel: () => {},
  } as unknown as Timers
  const host = {
    timers,
    log: { debug() {}, info() {}, warn() {}, error() {} },
    snapshot: { accessLog: false },
    tunnels: new Set<Tunnel>(),
    collector: new IdleCollector(timers, undefined, () => 0),
    health: { tunnelEnded() {} },
    events: new Emitter<GatewayEvents>(),
    restarting: (backend: Backend) => restarting.push(backend),
  }
  const client = new FakeSocket()
  const server = new FakeSocket()
  const backend = new Backend('b:1', { kind: 'tcp', host: 'b', port: 1 })
  const tunnel = new Tunnel(
    host,
    client,
    server,
    backend,
    'id',
    false,
    { ...noRules, ...rules },
    { free() {} },
  )
  return { tunnel, client, server, backend, deadlines, host, restarting }
}

const goodbye = [...encodeCloseFrame(closeCodes.goingAway.code, closeCodes.goingAway.reason)]

test('a full side stops the other, and its drain lets it go on', () => {
  const { client, server } = open()
  client.room = false
  server.handler.onData(server, hello)
  expect([server.paused, client.paused]).toEqual([true, false])
  client.handler.onDrain(client)
  expect(server.paused).toBe(false)
})

test('a full side stops the other in the frame that a goodbye waits for, too', () => {
  const { tunnel, client, server } = open()
  server.handler.onData(server, hello.subarray(0, 3))
  tunnel.close(closeCodes.goingAway, 5000)
  client.room = false
  server.handler.onData(server, hello.subarray(3, 5))
  expect([server.paused, client.written]).toEqual([true, [...hello.subarray(0, 5)]])
  server.handler.onData(server, hello.subarray(5))
  expect(client.written).toEqual([...hello, ...goodbye])
})

test('once a goodbye is said, its answer is read although the other side is full', () => {
  const { tunnel, client, server } = open()
  client.room = false
  server.handler.onData(server, hello)
  server.room = false
  client.handler.onData(client, Uint8Array.of(0x81, 0x80, 0, 0, 0, 0))
  expect([server.paused, client.paused]).toEqual([true, true])
  tunnel.close(closeCodes.goingAway, 5000)
  expect([server.paused, client.paused]).toEqual([false, false])
  server.handler.onData(server, Uint8Array.of(...hello, ...backendClose))
  client.handler.onData(client, clientClose)
  expect(client.written).toEqual([...hello, ...goodbye])
  expect([server.ended, client.ended]).toEqual([true, true])
})

test('a goodbye is not said behind a Close of either side', () => {
  const first = open()
  first.client.handler.onData(first.client, clientClose)
  first.tunnel.close(closeCodes.goingAway, 5000)
  expect(first.server.written).toEqual([...clientClose])
  expect(first.client.written).toEqual(goodbye)
  const second = open()
  second.server.handler.onData(second.server, backendClose)
  second.tunnel.close(closeCodes.goingAway, 5000)
  expect(second.client.written).toEqual([...backendClose])
  expect(second.server.written.length).toBe(goodbye.length + 4)
})

test('the earliest deadline counts, whichever comes first', () => {
  const first = open()
  first.tunnel.close(closeCodes.goingAway, 300_000)
  first.client.handler.onEnd(first.client)
  first.server.handler.onEnd(first.server)
  expect(first.deadlines).toEqual([300_000, halfClosed])
  const second = open()
  second.client.handler.onEnd(second.client)
  second.tunnel.close(closeCodes.goingAway, 300_000)
  expect(second.deadlines).toEqual([halfClosed])
})

test('after both Closes the first FIN ends both sides, in order and without a reset', () => {
  for (const first of ['client', 'server'] as const) {
    const { client, server, host, backend } = open()
    client.handler.onData(client, clientClose)
    server.handler.onData(server, backendClose)
    const socket = first === 'client' ? client : server
    socket.handler.onEnd(socket)
    expect([client.ended, server.ended]).toEqual([true, true])
    client.handler.onClose(client, null)
    expect([client.aborted, server.aborted, host.tunnels.size]).toEqual([false, false, 1])
    server.handler.onClose(server, null)
    expect([host.tunnels.size, backend.connections]).toEqual([0, 0])
  }
})

test('after both Closes a tunnel that nobody ends has a deadline, and before that it has none', () => {
  const { client, server, deadlines } = open()
  client.handler.onData(client, clientClose)
  expect(deadlines).toEqual([])
  server.handler.onData(server, backendClose)
  expect(deadlines).toEqual([halfClosed])
})

test('a broken client takes its backend with it, a broken backend lets its last words through', () => {
  const reset = { code: 'reset', raw: 'ECONNRESET', message: 'reset' } as const
  const first = open()
  first.client.handler.onClose(first.client, reset)
  expect(first.server.aborted).toBe(true)
  const second = open()
  second.client.paused = true
  second.server.handler.onClose(second.server, reset)
  expect([second.client.aborted, second.client.ended, second.client.paused]).toEqual([false, true, false])
  expect(second.deadlines).toEqual([halfClosed])
})

test("a backend's own Close 1012 says that it restarts; an answer with that code, or any other code, does not", () => {
  const restart = encodeCloseFrame(1012, '')
  const first = open()
  first.server.handler.onData(first.server, restart)
  first.server.handler.onData(first.server, hello)
  expect(first.restarting).toEqual([first.backend])
  const answer = open()
  answer.client.handler.onData(answer.client, encodeCloseFrame(1012, '', new Uint8Array(4)))
  answer.server.handler.onData(answer.server, restart)
  const other = open()
  other.server.handler.onData(other.server, backendClose)
  const ours = open()
  ours.tunnel.close(closeCodes.restart, 5000)
  ours.server.handler.onData(ours.server, restart)
  const ignored = open({ drainOnRestart: false })
  ignored.server.handler.onData(ignored.server, restart)
  for (const { restarting } of [answer, other, ours, ignored]) expect(restarting).toEqual([])
})
