import { setTimeout as sleep } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { eventually } from './contract/cluster-rig.ts'
import { HubRig } from './contract/hub-rig.ts'

test('a hub does not cut those whose answers came while the process stood still', async () => {
  const rig = await HubRig.start({ heartbeat: { interval: '100ms', timeout: '300ms' } })
  try {
    const clients = await Promise.all(Array.from({ length: 20 }, () => rig.open()))
    const pinged = () => clients.filter(({ frames }) => frames.length > 0)
    const timer = setInterval(() => {
      for (const client of pinged()) {
        client.frames.splice(0)
        client.socket.write(Buffer.from([0x8a, 0x80, 0, 0, 0, 0]))
      }
    }, 5)
    await eventually(() => pinged().length > 0, 'some are pinged')
    // Nothing is read and no timer rings, as after SIGSTOP.
    for (const until = performance.now() + 1_600; performance.now() < until; );
    await sleep(600)
    clearInterval(timer)
    expect(rig.hub.stats()).toMatchObject({ connections: 20, unanswered: 0 })
  } finally {
    await rig.close()
  }
})
