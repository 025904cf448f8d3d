import { afterEach, describe, expect, test } from 'vitest'
import type { BackendStateChange } from '../../src/gateway/events.ts'
import { eventually } from './support/eventually.ts'
import { often, servePingSaying, statusOf, watched } from './support/health.ts'
import { answering } from './support/raw-backend.ts'
import { Stage } from './support/stage.ts'
import type { Wire } from './support/wire.ts'

const stage = new Stage()
afterEach(() => stage.close())

const draining = { 'Fairlead-State': 'draining' }
const field = 'Fairlead-State: draining\r\n'

async function answerHttp(wire: Wire, says: boolean, status = '200 OK'): Promise<void> {
  await wire.message('request')
  wire.send(`HTTP/1.1 ${status}\r\n${says ? field : ''}Content-Length: 0\r\nConnection: close\r\n\r\n`)
  wire.end()
}

describe.each([
  ['an HTTP probe', { http: {}, ...often }, answerHttp],
  [
    'a WebSocket probe',
    { websocket: {}, ...often },
    (wire: Wire, says: boolean) => servePingSaying(wire, says ? draining : {}),
  ],
] as const)('a backend that says in its answer to %s that it drains', (_, health, answer) => {
  async function talking() {
    const mood = { says: false }
    const backend = await stage.raw((wire) => answer(wire, mood.says))
    const other = await stage.raw(answering('other'))
    const running = await watched(stage, [backend, other], { health })
    const changes: BackendStateChange[] = []
    running.gateway.on('backend.state', (change) => {
      if (change.backend === backend.address) changes.push(change)
    })
    const becomes = (state: string) => eventually(() => statusOf(running, backend).state === state)
    return { ...running, mood, backend, changes, becomes }
  }

  test('is drained, until an answer does not say so any more', async () => {
    const { mood, backend, changes, becomes } = await talking()
    mood.says = true
    expect(await becomes('draining')).toBe(true)
    mood.says = false
    expect(await becomes('active')).toBe(true)
    const told = { backend: backend.address, by: 'backend' }
    expect(changes).toEqual([
      { ...told, state: 'draining', previous: 'active' },
      { ...told, state: 'active', previous: 'draining' },
    ])
  })

  test('serves when the operator says so, until it says something new', async () => {
    const { gateway, mood, backend, changes, becomes } = await talking()
    mood.says = true
    expect(await becomes('draining')).toBe(true)
    gateway.enable(backend.address)
    const probes = backend.connections.length
    expect(await eventually(() => backend.connections.length > probes + 2)).toBe(true)
    expect(changes.at(-1)).toMatchObject({ state: 'active', by: 'api' })
    mood.says = false
    const then = backend.connections.length
    expect(await eventually(() => backend.connections.length > then + 2)).toBe(true)
    mood.says = true
    expect(await becomes('draining')).toBe(true)
  })

  test('is taken back when it is not probed any more', async () => {
    const { gateway, mood, backend, becomes } = await talking()
    mood.says = true
    expect(await becomes('draining')).toBe(true)
    await gateway.reload({
      listen: [{ port: 0, host: '127.0.0.1' }],
      pools: { main: { backends: [backend.address] } },
      routes: [{ pool: 'main' }],
    })
    expect(await becomes('active')).toBe(true)
  })
})

test('a probe that fails may say it as well, and one without answer says nothing', async () => {
  let answer: (wire: Wire) => unknown = (wire) => answerHttp(wire, true, '503 Service Unavailable')
  const backend = await stage.raw((wire) => answer(wire))
  const running = await watched(stage, [backend], { health: { http: {}, ...often } })
  expect(await eventually(() => statusOf(running, backend).state === 'draining')).toBe(true)
  answer = (wire) => wire.end()
  const before = backend.connections.length
  expect(await eventually(() => backend.connections.length > before + 2)).toBe(true)
  expect(statusOf(running, backend).state).toBe('draining')
})
