import { expect, test } from 'vitest'
import { eventually } from '../../hub/contract/cluster-rig.ts'
import { Device } from '../../hub/contract/device.ts'
import { HubRig } from '../../hub/contract/hub-rig.ts'
import { hubsContract } from '../../hub/contract/hubs-contract.ts'
import { freePort } from '../../hub/contract/server-process.ts'
import { launchCluster, launchServer } from './contract/redis-servers.ts'
import { redis } from './redis-driver.ts'

hubsContract('Redis', launchServer)
hubsContract('Redis Cluster', launchCluster)

test('a hub whose broker was never there serves its own, and joins when it comes', async () => {
  const broker = await launchServer()
  const way = broker.way()
  way.cut()
  const rig = await HubRig.start({ cluster: way.driver, lease: { beat: '300ms' } })
  rig.hub.on('connection', (connection) => void connection.join('room'))
  const device = await Device.open(rig.port, {})
  expect(await rig.hub.room('room').send('alone')).toMatchObject({ local: 1, status: 'degraded' })
  await eventually(() => device.got.includes('alone'), 'it has it')
  expect(rig.hub.ready()).toBe(false)
  expect(rig.hub.stats().cluster).toMatchObject({ ready: false, degraded: 1 })

  way.heal()
  await eventually(() => rig.hub.ready(), 'it has joined')
  expect(await rig.hub.room('room').send('together')).toMatchObject({ local: 1, status: 'relayed' })
  await rig.close()
  await broker.dispose()
}, 30_000)

test('a hub whose broker never comes can be closed, at once', async () => {
  const rig = await HubRig.start({ cluster: redis(`redis://127.0.0.1:${await freePort()}`) })
  const before = performance.now()
  await rig.close()
  expect(await rig.hub.start()).toBe(false)
  expect(performance.now() - before).toBeLessThan(3_000)
})
