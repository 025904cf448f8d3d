import { afterEach, describe, expect, test } from 'vitest'
import { eventually } from './contract/cluster-rig.ts'
import { HubRig } from './contract/hub-rig.ts'
import { HubCore } from './hub-core.ts'
import { LiveConnection } from './live-connection.ts'
import type { HubLog } from './log.ts'
import { type HubOptions, hubOptions } from './options.ts'

const rigs: HubRig[] = []

afterEach(async () => {
  for (const rig of rigs.splice(0)) await rig.close()
})

async function start(options: HubOptions = {}) {
  const rig = await HubRig.start(options)
  rigs.push(rig)
  return rig
}

/** A handler that takes as long as it is told to, and what has happened. */
function slow(rig: HubRig) {
  const seen: string[] = []
  const gate = Promise.withResolvers<void>()
  rig.hub.on('message', async ({ data }) => {
    seen.push(`begin ${data}`)
    await gate.promise
    seen.push(`end ${data}`)
  })
  rig.hub.on('close', () => void seen.push('close'))
  return { seen, finish: () => gate.resolve() }
}

describe('the end of a connection', () => {
  test('is told when the message that is being handled is done, also when it is the only one', async () => {
    const rig = await start()
    const { seen, finish } = slow(rig)
    const client = await rig.open()
    client.text('1')
    await eventually(() => seen.length === 1, 'it begins')
    client.close(1000)
    await eventually(() => rig.hub.stats().connections === 0, 'it is gone')
    finish()
    await eventually(() => seen.length === 3, 'its end is told')
    expect(seen).toEqual(['begin 1', 'end 1', 'close'])
  })

  test('is told when its `connection` handler is done', async () => {
    const rig = await start()
    const seen: string[] = []
    const gate = Promise.withResolvers<void>()
    rig.hub.on('connection', async (connection) => {
      connection.on('close', () => void seen.push('close'))
      await gate.promise
      seen.push('ready')
    })
    const client = await rig.open()
    client.close(1000)
    await eventually(() => rig.hub.stats().accepted === 1 && rig.hub.stats().connections === 0, 'it is gone')
    gate.resolve()
    await eventually(() => seen.length === 2, 'its end is told')
    expect(seen).toEqual(['ready', 'close'])
  })

  test('is told before `close` of the hub resolves', async () => {
    const rig = await start()
    const { seen, finish } = slow(rig)
    const client = await rig.open()
    client.text('1')
    client.text('2')
    await eventually(() => rig.hub.stats().messagesIn === 2, 'both are there')
    client.close(1000)
    await eventually(() => rig.hub.stats().connections === 0, 'it is gone')
    const closing = rig.hub.close().then(() => seen.push('closed'))
    await new Promise((resolve) => setTimeout(resolve, 50))
    finish()
    await closing
    expect(seen).toEqual(['begin 1', 'end 1', 'begin 2', 'end 2', 'close', 'closed'])
  })

  test('is not told of one that was let in just before the stop, and never told to be there', () => {
    const quiet: HubLog = { info() {}, warn() {}, error() {} }
    const core = new HubCore(hubOptions.parse({}), 'n1', quiet)
    const told: string[] = []
    core.connectionHandlers = [() => told.push('connection')]
    core.listen('close', () => told.push('close'))
    const identity = { id: 'n1.1', user: null, data: undefined, remoteAddress: '', protocol: null }
    const connection = new LiveConnection(core, identity)
    core.stop()
    const idle = { queuedBytes: 0, send: () => true, ping() {}, pause() {}, resume() {}, terminate() {} }
    const closes: number[] = []
    connection.opened({ ...idle, close: (code) => void closes.push(code) })
    connection.closed(1012, '')
    expect(closes).toEqual([1012])
    expect(told).toEqual([])
  })
})

describe('a listener whose promise rejects', () => {
  const fail = async () => {
    await Promise.resolve()
    throw new Error('of the listener')
  }

  test('is logged, and ends nothing', async () => {
    const rig = await start()
    rig.hub.on('close', fail as () => void)
    rig.hub.on('refused', fail as () => void)
    rig.hub.on('connection', (connection) => void connection.on('close', fail as () => void))
    const client = await rig.open()
    client.close(1000)
    await eventually(() => rig.lines.length === 2, 'both failures of the end are logged')
    await rig.connect({ headers: { Origin: 'https://evil.example' } })
    await eventually(() => rig.lines.length === 3, 'the third is logged')
    const events = rig.lines.map(({ fields }) => (fields as { event: string }).event)
    expect(events.sort()).toEqual(['handler.failed', 'listener.failed', 'listener.failed'])
  })
})
