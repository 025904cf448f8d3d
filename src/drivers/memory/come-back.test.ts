import { expect, test } from 'vitest'
import type { Position } from '../../hub/cluster.ts'
import { eventually } from '../../hub/contract/cluster-rig.ts'
import { Device } from '../../hub/contract/device.ts'
import { HubRig } from '../../hub/contract/hub-rig.ts'
import type { HubOptions } from '../../hub/options.ts'
import { launchMemory } from './contract/launch-memory.ts'

const options: HubOptions = {
  questionTimeout: '100ms',
  rooms: {
    room: { history: { stamp: (data, position) => JSON.stringify({ text: String(data), ...position }) } },
  },
}

test('who comes back to a node that is behind gets nothing again when that has caught up', async () => {
  const broker = await launchMemory(false)()
  const [near, far] = [broker.way(), broker.way()]
  const a = await HubRig.start({ ...options, cluster: near.driver })
  const b = await HubRig.start({ ...options, cluster: far.driver })
  const told: boolean[] = []
  for (const { hub } of [a, b]) {
    hub.on('message', async ({ connection, data }) => {
      const { complete } = await connection.join('room', {
        since: JSON.parse(String(data)) as Position | null,
      })
      told.push(complete)
    })
  }
  const come = async (rig: HubRig, since: Position | null) => {
    const device = await Device.open(rig.port, {})
    const before = told.length
    device.send(JSON.stringify(since))
    await eventually(() => told.length > before, 'it is in')
    return device
  }
  const [ann, bob] = [await come(a, null), await come(b, null)]
  const send = async (...texts: string[]) => {
    for (const text of texts) await a.hub.room('room').send(text)
  }
  await send('1', '2')
  await eventually(() => bob.stamped.length === 2, 'both have the first')

  far.cut()
  await send('3', '4')
  await eventually(() => ann.stamped.length === 4, 'ann goes on')
  await ann.close()
  const { epoch, offset } = ann.stamped.at(-1) as Position
  const back = await come(b, { epoch, offset })
  expect(told).toEqual([true, true, false])
  await send('5')
  far.heal()
  await eventually(() => bob.stamped.length === 5, 'the node has caught up')
  await eventually(() => back.stamped.length > 0, 'she has what she missed')
  await send('6')
  await eventually(() => back.stamped.at(-1)?.text === '6', 'it goes on')
  expect(back.stamped.map(({ text }) => text)).toEqual(['5', '6'])
  await Promise.all([a.close(), b.close()])
})
