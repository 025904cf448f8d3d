import { afterEach, describe, expect, test } from 'vitest'
import { eventually } from './contract/cluster-rig.ts'
import { HubRig } from './contract/hub-rig.ts'
import { HubCore } from './hub-core.ts'
import { limitLog } from './limited-log.ts'
import { consoleLog, type HubLog } from './log.ts'
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

describe('a hub counts', () => {
  test('refused handshakes by their status', async () => {
    const rig = await start({ authenticate: () => ({ status: 418, reason: 'no tea' }) })
    await rig.connect()
    await rig.connect()
    await rig.connect({ headers: { Origin: 'https://evil.example' } })
    const stats = rig.hub.stats()
    expect(stats).toMatchObject({ refused: 3, refusals: { 403: 1, 418: 2 } })
    await rig.connect()
    expect(stats.refusals).toEqual({ 403: 1, 418: 2 })
  })

  test('sockets that are not read', async () => {
    const rig = await start({ receiveQueue: { messages: 1 } })
    let done = () => {}
    rig.hub.on('message', () => new Promise<void>((resolve) => (done = resolve)))
    for (const client of [await rig.open(), await rig.open()])
      for (const text of ['a', 'b']) client.text(text)
    await eventually(() => rig.hub.stats().paused === 2, 'both are paused')
    expect(rig.hub.stats().pauses).toBe(2)
    done()
    await eventually(() => rig.hub.stats().paused === 1, 'one is read again')
    for (const connection of rig.hub.connections()) connection.terminate()
    await eventually(() => rig.hub.stats().connections === 0, 'both are gone')
    expect(rig.hub.stats()).toMatchObject({ pauses: 2, paused: 0 })
  })

  test.each([
    ['pause', 0],
    ['close', 1],
  ] as const)('messages above the rate, with %s', async (whenExceeded, closedTooMany) => {
    const rig = await start({ messageRate: { perSecond: 20, burst: 3, whenExceeded } })
    let seen = 0
    rig.hub.on('message', () => void seen++)
    const client = await rig.open()
    for (let at = 0; at < 5; at++) client.text(String(at))
    await eventually(() => seen === 5 || rig.hub.stats().closedTooMany === 1, 'all are handled')
    const stats = rig.hub.stats()
    expect(stats.closedTooMany).toBe(closedTooMany)
    expect(stats.rateExceeded).toBeGreaterThanOrEqual(1)
    expect(stats.rateExceeded).toBeLessThanOrEqual(2)
  })

  test('what became of what was sent, with and without history', async () => {
    const rig = await start({ rooms: { h: { history: {} } } })
    await rig.hub.room('h').send('kept')
    await rig.hub.room('plain').send('not kept')
    await rig.hub.user('ann').join('plain')
    await rig.hub.connection('nobody.there').close()
    const { deliveries } = rig.hub.stats()
    expect(deliveries).toEqual({ local: 2, relayed: 1, degraded: 0, uncertain: 0, refused: 0, gone: 1 })
  })

  test('questions, and answers that are missing', async () => {
    const { hub } = await start()
    hub.answer('app:one', () => 1)
    await hub.ask('app:one')
    await hub.ask('app:other')
    expect(hub.stats()).toMatchObject({ questions: 2, missingAnswers: 1 })
  })

  test('troubles with the broker', () => {
    const quiet: HubLog = { ...consoleLog, warn() {} }
    const core = new HubCore(hubOptions.parse({}), 'n1', quiet)
    const { events } = core.cluster
    events.emit('bus.down', { reason: 'test' })
    events.emit('registry.down', { reason: 'test' })
    events.emit('bus.up', {})
    events.emit('node.deafened', {})
    events.emit('lease.lost', { why: 'expired' })
    expect(core.stats()).toMatchObject({ brokerLosses: 2, brokerReturns: 1, deaf: 1, leaseLosses: 1 })
  })
})

test('clients cannot fill a log with what fails for them', async () => {
  const rig = await start()
  rig.hub.on('message', () => {
    throw new Error('of the handler')
  })
  for (let at = 0; at < 30; at++) {
    const client = await rig.open()
    client.text('fail')
    await client.nextClose()
  }
  expect(rig.hub.stats().failedHandlers).toBe(30)
  expect(rig.lines.length).toBeGreaterThanOrEqual(10)
  expect(rig.lines.length).toBeLessThan(25)
})

test('a limited log says how much it has left out, event by event', () => {
  const lines: object[] = []
  let now = 0
  const log = limitLog({ ...consoleLog, error: (fields) => void lines.push(fields) }, () => now)
  for (let at = 0; at < 15; at++) log.error({ event: 'a' }, 'failed')
  log.error({ event: 'b' }, 'failed')
  expect(lines).toHaveLength(11)
  now += 1000
  log.error({ event: 'a' }, 'failed')
  log.error({ event: 'a' }, 'failed')
  expect(lines.slice(11)).toEqual([{ event: 'a', suppressed: 5 }])
})
