import { expect, test } from 'vitest'
import { combine } from '../../hub/combine.ts'
import { BusRecorder, bytes, eventually, quickLease } from '../../hub/contract/cluster-rig.ts'
import { readHistoryEnvelope } from '../../hub/history-envelope.ts'
import { MemoryBroker } from './memory-broker.ts'

test('each part is of the driver that was named, and what is appended is heard on the bus of the other', async () => {
  const [one, two, three] = [new MemoryBroker(), new MemoryBroker(), new MemoryBroker()]
  const driver = combine({ bus: one.driver, registry: two.driver, history: three.driver })
  const options = { namespace: 'n', lease: quickLease, log: { info() {}, warn() {} } }
  const { bus, registry, history } = driver.connect(options)
  const heard = new BusRecorder()
  await Promise.all([bus.start(heard, 1_000), history?.start(1_000)])
  await bus.subscribe('room')
  const position = await history?.append('room', bytes('x'), { size: 10, age: 60_000 })
  await eventually(() => heard.messages.length === 1, 'it is heard')
  expect(readHistoryEnvelope(heard.messages[0]?.payload ?? bytes(''))?.position).toEqual(position)
  one.stop()
  expect((await history?.append('room', bytes('y'), { size: 10, age: 60_000 }))?.offset).toBe(2)
  await Promise.all([bus.close(), registry.close(), history?.close()])
})
