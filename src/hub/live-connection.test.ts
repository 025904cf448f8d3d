import { describe, expect, test } from 'vitest'
import { Audience } from './audience.ts'
import type { CloseInfo } from './connection.ts'
import { HubCore } from './hub-core.ts'
import { LiveConnection } from './live-connection.ts'
import type { HubLog } from './log.ts'
import { type HubOptions, hubOptions } from './options.ts'
import type { TransportConnection } from './transport.ts'

const sleep = (milliseconds: number) => new Promise<void>((resolve) => setTimeout(resolve, milliseconds))

/** A socket that takes nothing, and looks the same all the time. */
class StuckTransport implements TransportConnection {
  queuedBytes = 65_536
  pings = 0
  terminated = false
  send = () => false
  pause() {}
  resume() {}
  close() {}

  ping() {
    this.pings++
  }

  terminate() {
    this.terminated = true
  }
}

function rig(options: HubOptions = {}) {
  const lines: object[] = []
  const write = (fields: object) => void lines.push(fields)
  const log: HubLog = { info: write, warn: write, error: write }
  const core = new HubCore(hubOptions.parse(options), 'n1', log)
  const identity = { id: 'n1.1', user: null, data: undefined, remoteAddress: '', protocol: null }
  const connection = new LiveConnection(core, identity)
  const transport = new StuckTransport()
  return { core, connection, transport, lines }
}

describe('a peer that is behind', () => {
  const heartbeat = { interval: '100ms', timeout: '400ms' } as const

  test('is alive while it takes what it is sent, however equal that looks', async () => {
    const { core, connection, transport } = rig({ heartbeat, sendQueue: { whenFull: 'drop-oldest' } })
    connection.opened(transport)
    for (let at = 0; at < 60; at++) {
      for (let count = 0; count < 20; count++) connection.send('x'.repeat(4096))
      await sleep(20)
      connection.drained()
    }
    expect(transport.terminated).toBe(false)
    expect(core.counters.unanswered).toBe(0)
  })

  test('is cut when it takes nothing', async () => {
    const { core, connection, transport } = rig({ heartbeat })
    const ends: CloseInfo[] = []
    connection.on('close', (info) => void ends.push(info))
    connection.opened(transport)
    connection.send('x')
    for (let at = 0; at < 300 && !transport.terminated; at++) await sleep(20)
    connection.closed(1006, '')
    expect(ends).toMatchObject([{ code: 1006, by: 'server', reason: 'the other side does not answer' }])
    expect(core.counters.unanswered).toBe(1)
  })
})

test.each([
  ['drop-newest', 900, 1, true],
  ['close', 900, 1, false],
  ['drop-oldest', 900, 0, true],
  ['conflate', 50, 0, true],
] as const)(
  'with %s a sender is told for how many a message is lost',
  async (whenFull, size, dropped, open) => {
    const { core, connection, transport } = rig({ sendQueue: { limit: '1KiB', whenFull } })
    connection.opened(transport)
    connection.send('x')
    core.outbox.flush()
    const everybody = new Audience(core.dispatch, { kind: 'everybody' })
    expect(await everybody.send('x'.repeat(800))).toMatchObject({ local: 1, dropped: 0 })
    expect(await everybody.send('x'.repeat(size))).toMatchObject({ local: 1, dropped })
    expect(connection.isOpen).toBe(open)
  },
)
