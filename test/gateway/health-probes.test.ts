import { readdirSync } from 'node:fs'
import { afterEach, describe, expect, test } from 'vitest'
import { eventually } from './support/eventually.ts'
import { acceptUpgrade, switching, upgradeRequest } from './support/handshakes.ts'
import { lineAbout, often, servePing, statusOf, watched } from './support/health.ts'
import { answering } from './support/raw-backend.ts'
import { Stage } from './support/stage.ts'
import type { Wire } from './support/wire.ts'

const stage = new Stage()
afterEach(() => stage.close())

/** Answers one request with this text and ends. */
function once(answer: string): (wire: Wire) => Promise<void> {
  return async (wire) => {
    await wire.message('request')
    wire.send(answer)
    wire.end()
  }
}

/** Answers its requests, but is asked anew for each connection how. */
class Moody {
  answer: (wire: Wire) => unknown
  constructor(answer: (wire: Wire) => unknown) {
    this.answer = answer
  }
  readonly serve = (wire: Wire): unknown => this.answer(wire)
}

const ok = once('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok')

describe('a probe over TCP', () => {
  test('a backend that stops listening leaves, and returns when it listens again', async () => {
    const good = await stage.raw(answering('good'))
    const before = await stage.raw(answering('bad'))
    const { port } = before
    const bad = { address: before.address }
    const running = await watched(stage, [good, bad], { health: { tcp: true, ...often } })
    await lineAbout(running.log, 'backend.healthy', good)
    await before.close()
    const line = await lineAbout(running.log, 'backend.unhealthy', bad)
    expect(line).toMatchObject({ level: 'warn', failures: 2 })
    expect(statusOf(running, bad)).toMatchObject({ health: 'down', problem: line.reason })
    expect(statusOf(running, good)).toMatchObject({ health: 'up', problem: null })
    for (let i = 0; i < 4; i++) {
      const client = await stage.client(running.port)
      client.send('GET / HTTP/1.1\r\nHost: a\r\n\r\n')
      expect((await client.message()).body).toBe('good')
    }
    expect(statusOf(running, bad).requests).toBe(0)
    await stage.raw(answering('back'), '127.0.0.1', port)
    await lineAbout(running.log, 'backend.healthy', bad, 'info')
    expect(statusOf(running, bad)).toMatchObject({ health: 'up', problem: null })
  })

  test('one that failed once and not often enough has no problem any more after the next pass', async () => {
    const failing = once('HTTP/1.1 500 X\r\nContent-Length: 0\r\n\r\n')
    const moody = new Moody(ok)
    const backend = await stage.raw(moody.serve)
    const running = await watched(stage, [backend], { health: { http: {}, ...often, fall: 100 } })
    expect(await eventually(() => statusOf(running, backend).health === 'up')).toBe(true)
    moody.answer = failing
    expect(await eventually(() => statusOf(running, backend).problem !== null)).toBe(true)
    moody.answer = ok
    expect(await eventually(() => statusOf(running, backend).problem === null)).toBe(true)
    expect(statusOf(running, backend).health).toBe('up')
  })

  test('a name without address is unhealthy, and says so', async () => {
    const running = await watched(stage, [{ address: 'no-such-name.invalid:1' }], {
      health: { tcp: true, ...often },
    })
    expect((await running.log.line('backend.unhealthy')).reason).toBe(
      'its name does not resolve to an address',
    )
  })
})

describe('a probe over HTTP', () => {
  test('asks as configured', async () => {
    const backend = await stage.raw()
    await watched(stage, [backend], {
      health: {
        http: { path: '/healthz?deep=1', host: 'chat.test', headers: { Authorization: 'Basic eDp5' } },
        ...often,
      },
    })
    const wire = await backend.connection(0)
    const request = await wire.message('request')
    expect(request.start).toBe('GET /healthz?deep=1 HTTP/1.1')
    expect(request.fields.get('host')).toEqual(['chat.test'])
    expect(request.fields.get('authorization')).toEqual(['Basic eDp5'])
    expect(request.fields.get('user-agent')).toEqual(['fairlead-probe'])
    expect(request.fields.get('connection')).toEqual(['close'])
  })

  test.each([
    ['another status', 'HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n', 'it answered with status 500'],
    [
      'no such header',
      'HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nwell',
      'its answer has no header X-Ready',
    ],
    [
      'another header',
      'HTTP/1.1 200 OK\r\nX-Ready: no\r\nContent-Length: 4\r\n\r\nwell',
      'its answer has another header X-Ready',
    ],
    [
      'another body',
      'HTTP/1.1 200 OK\r\nX-Ready: yes\r\nContent-Length: 4\r\n\r\nsick',
      'the body of its answer does not have the expected text',
    ],
    [
      'a body that is cut',
      'HTTP/1.1 200 OK\r\nX-Ready: yes\r\nContent-Length: 9\r\n\r\nall is ',
      'it closed the connection within the body',
    ],
    ['no answer', '', 'it closed the connection before it answered'],
    ['no HTTP', 'hello\r\n\r\n', 'its answer is malformed: malformed status line'],
    [
      'a switch of protocols',
      'HTTP/1.1 101 Switching\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n',
      'it switched protocols without being asked',
    ],
  ])('%s is a failure', async (_, answer, reason) => {
    const backend = await stage.raw(once(answer))
    const { log } = await watched(stage, [backend], {
      health: { http: { expect: { headers: { 'X-Ready': 'yes' }, body: 'well' } }, ...often },
    })
    expect(await log.line('backend.unhealthy')).toMatchObject({ reason })
  })

  test('the expected answer passes, in chunks and behind an interim answer as well', async () => {
    const moody = new Moody(once('HTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n'))
    const backend = await stage.raw(moody.serve)
    const { log } = await watched(stage, [backend], {
      health: {
        http: { expect: { status: [204, '300-302'], headers: { 'X-Ready': '*' }, body: 'well' } },
        ...often,
      },
    })
    await log.line('backend.unhealthy')
    moody.answer = once(
      'HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 302 Found\r\nX-Ready: 1\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nwe\r\n2\r\nll\r\n0\r\n\r\n',
    )
    await log.line('backend.healthy', 0)
  })
})

describe('a probe over WebSocket', () => {
  test('a real handshake, a ping that is answered, and a Close: the backend is up', async () => {
    const endings: string[] = []
    const backend = await stage.raw(async (wire) => {
      await servePing(wire)
      endings.push(await wire.ending())
    })
    const running = await watched(stage, [backend], { health: { websocket: { path: '/chat' }, ...often } })
    await running.log.line('backend.healthy')
    await backend.connection(2)
    expect(statusOf(running, backend).health).toBe('up')
    expect(endings[0]).toBe('fin')
    expect(running.log.of('backend.unhealthy')).toEqual([])
  })

  test('a subprotocol is asked for, and has to be agreed to', async () => {
    const offers: unknown[] = []
    const backend = await stage.raw(async (wire) => {
      const { fields } = await acceptUpgrade(wire)
      offers.push(fields.get('sec-websocket-protocol'))
    })
    const { log } = await watched(stage, [backend], {
      health: { websocket: { protocol: 'chat.v1' }, ...often },
    })
    expect((await log.line('backend.unhealthy')).reason).toBe('it did not agree to the subprotocol chat.v1')
    expect(offers[0]).toEqual(['chat.v1'])
  })

  test.each([
    ['accepts TCP but never answers', () => {}, 'no good answer within 300 ms'],
    [
      'answers 101 with a wrong accept key',
      (wire: Wire) => wire.message('request').then(() => wire.send(switching())),
      'its answer to the upgrade is not valid: Sec-WebSocket-Accept does not answer the key',
    ],
    [
      'answers 200 to an upgrade',
      once('HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n'),
      'its answer to the upgrade is not valid: the status is 200, not 101',
    ],
    [
      'upgrades and never answers the ping',
      (wire: Wire) => acceptUpgrade(wire),
      'no good answer within 300 ms',
    ],
    [
      'answers the ping with another payload',
      async (wire: Wire) => {
        await acceptUpgrade(wire)
        await wire.bytes(14)
        wire.send(Uint8Array.of(0x8a, 8, 0, 0, 0, 0, 0, 0, 0, 0))
      },
      'no good answer within 300 ms',
    ],
    [
      'closes instead of answering the ping',
      async (wire: Wire) => {
        await acceptUpgrade(wire)
        wire.send(Uint8Array.of(0x88, 2, 0x03, 0xf5))
      },
      'it closed with code 1013 instead of answering the ping',
    ],
    [
      'breaks the framing',
      async (wire: Wire) => {
        await acceptUpgrade(wire)
        wire.send(Uint8Array.of(0x8f, 0))
      },
      'it broke the framing: an opcode is unknown',
    ],
  ] as [string, (wire: Wire) => unknown, string][])(
    'a backend that %s is unhealthy',
    async (_, script, reason) => {
      const good = await stage.raw(servePing)
      const moody = new Moody(script)
      const bad = await stage.raw(moody.serve)
      const running = await watched(stage, [good, bad], { health: { websocket: {}, ...often } })
      expect(await lineAbout(running.log, 'backend.unhealthy', bad)).toMatchObject({ reason })
      expect(statusOf(running, bad).health).toBe('down')
      expect(statusOf(running, good).health).not.toBe('down')
      moody.answer = servePing
      await lineAbout(running.log, 'backend.healthy', bad)
      expect(statusOf(running, bad).health).toBe('up')
    },
  )

  test('a backend that answers byte by byte is unhealthy once the time is over, however alive it seems', async () => {
    let sent = 0
    const backend = await stage.raw(async (wire) => {
      await wire.message('request')
      for (const byte of switching()) {
        await wire.flush(Buffer.from(byte))
        sent++
        await new Promise((resolve) => setTimeout(resolve, 10))
        if (wire.socket.destroyed) return
      }
    })
    const { log } = await watched(stage, [backend], { health: { websocket: {}, ...often } })
    expect((await log.line('backend.unhealthy')).reason).toBe('no good answer within 300 ms')
    expect(sent).toBeGreaterThan(2)
  })

  test('a backend that resets now and then stays as long as it is never often enough in a row', async () => {
    let count = 0
    const moody = new Moody((wire) => (++count % 2 === 0 ? wire.reset() : servePing(wire)))
    const backend = await stage.raw(moody.serve)
    const { log } = await watched(stage, [backend], { health: { websocket: {}, ...often } })
    await backend.connection(7)
    expect(log.of('backend.unhealthy')).toEqual([])
    moody.answer = (wire) => wire.reset()
    expect((await log.line('backend.unhealthy')).reason).toMatch(/reset|closed/i)
  })

  test('a flood of bytes ends the probe, not the gateway', async () => {
    const backend = await stage.raw(async (wire) => {
      await acceptUpgrade(wire)
      const frame = Buffer.alloc(4 + 65_535)
      frame.set([0x82, 126, 0xff, 0xff])
      while (!wire.socket.destroyed) await wire.flush(frame)
    })
    const { log } = await watched(stage, [backend], {
      health: { websocket: {}, ...often, timeout: '10s' },
    })
    expect((await log.line('backend.unhealthy')).reason).toBe('it says more than a probe listens to')
  })
})

describe('probing', () => {
  test('never has two probes of a backend under way, also when each takes longer than the interval', async () => {
    let live = 0
    let most = 0
    const backend = await stage.raw(async (wire) => {
      most = Math.max(most, ++live)
      await wire.ending()
      live--
    })
    const { log } = await watched(stage, [backend], {
      health: { http: {}, ...often, fall: 4, timeout: '120ms' },
    })
    await log.line('backend.unhealthy')
    expect(most).toBe(1)
  })

  test('ends when the gateway closes, and leaves nothing open', async () => {
    const backend = await stage.raw()
    const running = await watched(stage, [backend], { health: { http: {}, ...often, timeout: '10s' } })
    const wire = await backend.connection(0)
    await wire.message('request')
    await running.gateway.close()
    await wire.ending()
    expect(running.log.of('backend.unhealthy')).toEqual([])
    expect(backend.connections).toHaveLength(1)
  })

  test.skipIf(process.platform !== 'linux')('leaves no descriptor behind, however probes end', async () => {
    const before = readdirSync('/proc/self/fd').length
    const endings: ((wire: Wire) => unknown)[] = [
      servePing,
      (wire) => wire.reset(),
      (wire) => wire.end(),
      () => {},
    ]
    let count = 0
    const backend = await stage.raw((wire) => endings[count++ % endings.length]?.(wire))
    const health = { websocket: {}, ...often, interval: '1ms', timeout: '50ms' } as const
    const { gateway } = await watched(stage, [backend], { health })
    await backend.connection(40)
    await gateway.close()
    await backend.close()
    expect(await eventually(() => readdirSync('/proc/self/fd').length <= before)).toBe(true)
  })

  test('does not begin in a gateway that cannot open its listeners', async () => {
    const backend = await stage.raw(ok)
    const taken = await stage.raw()
    const options = { listen: [{ host: '127.0.0.1', port: taken.port }] }
    await expect(watched(stage, [backend], { health: { http: {}, ...often } }, options)).rejects.toThrow()
    expect(backend.connections).toHaveLength(0)
  })

  test('a Unix socket is probed as well', async () => {
    const folder = await stage.folder()
    const backend = await stage.raw(ok, `${folder}/backend.sock`)
    const running = await watched(stage, [backend], { health: { http: {}, ...often } })
    await running.log.line('backend.healthy')
    const client = await stage.client(running.port)
    client.send(upgradeRequest())
    expect((await client.message()).body).toBe('ok')
  })
})
