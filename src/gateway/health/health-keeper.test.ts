import { afterEach, describe, expect, test } from 'vitest'
import { stillHeld } from '../../../test/gateway/support/garbage.ts'
import { Emitter } from '../../core/emitter.ts'
import { Timer } from '../../core/timer-wheel.ts'
import type { Socket, SocketPort } from '../../net/socket.ts'
import { Backend } from '../backend.ts'
import { Timers } from '../timers.ts'
import type { Tunnel } from '../tunnel.ts'
import { HealthKeeper } from './health-keeper.ts'
import type { HealthConfig } from './health-options.ts'
import { PoolHealth } from './pool-health.ts'

const ejection = { failures: 2, time: 60_000, maxTime: 300_000, maxShare: 50, earlyClose: 1000 }
const rules = { ejection, slowStart: { window: 30_000, from: 10 }, panic: 50 }
const health: HealthConfig = { tcp: true, interval: 1, timeout: 1000, rise: 1, fall: 1 }

const closers: (() => unknown)[] = []
afterEach(async () => {
  for (const close of closers.splice(0)) await close()
})

/** A keeper whose connections stay under way until they are aborted. */
function makeKeeper(tunnels: ReadonlySet<Tunnel> = new Set()) {
  const timers = new Timers()
  const attempts: unknown[] = []
  let told: () => void = () => {}
  const sockets = {
    connect(_target: unknown, _timeout: number, handler: Socket['handler'], context: unknown) {
      const socket = { handler, context, end() {}, abort } as unknown as Socket
      function abort() {
        queueMicrotask(() => handler.onClose(socket, null))
      }
      attempts.push(socket)
      told()
      return socket
    },
  } as unknown as SocketPort
  const events: string[] = []
  const note = (fields: object) => void events.push((fields as { event: string }).event)
  const log = { debug: note, info: note, warn: note, error: note }
  const keeper = new HealthKeeper({
    timers,
    sockets,
    log,
    events: new Emitter(),
    tunnels,
    announce() {},
    closeGrace: () => 1000,
  })
  const connected = () =>
    new Promise<void>((resolve) => {
      told = resolve
    })
  closers.push(
    () => keeper.stop(),
    () => timers.stop(),
  )
  const adopt = (backends: Backend[], more: object = {}) => {
    const pool = new PoolHealth(
      'main',
      backends,
      backends.map(() => 1),
      rules,
      () => timers.now(),
    )
    keeper.adopt(pool, backends, { ...rules, ...more })
    return pool
  }
  return { keeper, attempts, events, connected, adopt }
}

function makeBackend(): Backend {
  return new Backend('unix:/b', { kind: 'unix', path: '/b' })
}

describe('who joins', () => {
  test('those of the start have their whole share, later ones grow into it', () => {
    const { keeper, adopt } = makeKeeper()
    const first = makeBackend()
    adopt([first])
    keeper.start()
    const second = makeBackend()
    adopt([first, second])
    expect(first.health.slowSince).toBeNull()
    expect(second.health.slowSince).not.toBeNull()
  })
})

test('who is back from where people or itself had put it starts slowly', () => {
  const { keeper, adopt } = makeKeeper()
  const backend = makeBackend()
  adopt([backend])
  keeper.returned(backend)
  expect(backend.health.slowSince).toBeNull()
  keeper.start()
  keeper.returned(backend)
  expect(backend.health.slowSince).not.toBeNull()
})

describe('who has grown', () => {
  test('is told from who grows, when the window is over', async () => {
    const { keeper, adopt } = makeKeeper()
    const first = makeBackend()
    adopt([first])
    keeper.start()
    const second = makeBackend()
    adopt([first, second], { slowStart: { window: 100, from: 10 } })
    expect(second.health.slowSince).not.toBeNull()
    while (second.health.slowSince !== null) await new Promise((resolve) => setImmediate(resolve))
  })
})

describe('a pool that is replaced', () => {
  test('keeps what is known about its backends, and their probes', async () => {
    const { keeper, adopt, attempts, connected } = makeKeeper()
    const [stays, leaves] = [makeBackend(), makeBackend()]
    const old = adopt([stays, leaves], { health })
    keeper.start()
    await connected()
    while (attempts.length < 2) await connected()
    keeper.failed(stays, 'it failed')
    adopt([stays], { health })
    keeper.release(old)
    expect(attempts).toHaveLength(2)
    expect(stays.health.outlier.failures).toBe(1)
    keeper.failed(stays, 'it failed')
    expect(stays.health.ejectedUntil).not.toBeNull()
    keeper.failed(leaves, 'nobody minds')
    expect(leaves.health.outlier.failures).toBe(0)
  })

  test('who comes back while its ejection lasts is still ejected, and returns in time', async () => {
    const { keeper, adopt, events } = makeKeeper()
    const [bad, good] = [makeBackend(), makeBackend()]
    const short = { ejection: { ...ejection, time: 50, maxTime: 50 } }
    const old = adopt([bad, good], short)
    keeper.start()
    keeper.failed(bad, 'it failed')
    keeper.failed(bad, 'it failed')
    keeper.release(old)
    const pool = adopt([bad, good], short)
    expect(pool.available).toBe(1)
    while (pool.available < 2) await new Promise((resolve) => setImmediate(resolve))
    expect(events).toEqual(['backend.ejected', 'backend.returned'])
  })

  test('who was found unhealthy and comes back to a pool without probes serves', () => {
    const { keeper, adopt } = makeKeeper()
    const backend = makeBackend()
    const old = adopt([backend], { health })
    backend.health.probe = { status: 'down', streak: 0 }
    backend.health.problem = 'it was slow'
    keeper.release(old)
    const pool = adopt([backend])
    expect([backend.health.available, backend.health.problem, pool.accepts(0)]).toEqual([true, null, true])
  })

  test('without probes nobody stays unhealthy for ever', () => {
    const { adopt } = makeKeeper()
    const backend = makeBackend()
    adopt([backend], { health })
    backend.health.probe = { status: 'down', streak: 0 }
    backend.health.problem = 'it was slow'
    adopt([backend])
    expect([backend.health.available, backend.health.problem]).toEqual([true, null])
  })
})

describe('who is ejected', () => {
  const apart = async (milliseconds: number) => {
    const timers = new Timers()
    closers.push(() => timers.stop())
    await new Promise<void>((resolve) => timers.schedule(new Timer(resolve, (done) => done()), milliseconds))
  }

  test('because it could not be reached is asked whether it can be, within a second', async () => {
    const { keeper, adopt, attempts, connected } = makeKeeper()
    const [bad, good] = [makeBackend(), makeBackend()]
    adopt([bad, good])
    keeper.start()
    keeper.unreachable(bad, 'refused')
    keeper.unreachable(bad, 'refused')
    expect(bad.health.ejectedUntil).not.toBeNull()
    await connected()
    expect(attempts).toHaveLength(1)
    await keeper.stop()
    await apart(100)
    expect(attempts).toHaveLength(1)
  })

  test.each([
    ['for something else', ['failed', 'failed']],
    ['among others for something else', ['failed', 'unreachable']],
    ['at last for something else', ['unreachable', 'failed']],
  ] as const)('%s stays away for its whole time, without being asked', async (_, failures) => {
    const { keeper, adopt, attempts } = makeKeeper()
    const [bad, good] = [makeBackend(), makeBackend()]
    adopt([bad, good])
    keeper.start()
    for (const failure of failures) keeper[failure](bad, 'it failed')
    expect(bad.health.ejectedUntil).not.toBeNull()
    await apart(1200)
    expect(attempts).toHaveLength(0)
  })
})

test('tunnels that were closed because their backend died are not held until it is well again', async () => {
  const tunnels = new Set<Tunnel>()
  const { keeper, adopt } = makeKeeper(tunnels)
  const backend = makeBackend()
  const held: WeakRef<Tunnel>[] = []
  const told = new Promise<void>((resolve) => {
    for (let index = 0; index < 10; index++) {
      const tunnel = { backend, activity: 0, leaving: false, close } as unknown as Tunnel
      function close() {
        tunnels.delete(tunnel)
        if (tunnels.size === 0) resolve()
      }
      tunnels.add(tunnel)
      held.push(new WeakRef(tunnel))
    }
  })
  adopt([backend], { health: { ...health, timeout: 1, closeTunnels: 10 } })
  keeper.start()
  await told
  expect(backend.health.probe.status).toBe('down')
  expect(await stillHeld(held)).toBe(0)
})
