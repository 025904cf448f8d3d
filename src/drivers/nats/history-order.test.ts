import { setTimeout as sleep } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { eventually } from '../../hub/contract/cluster-rig.ts'
import { HistoryOrder } from './history-order.ts'

function listen() {
  const told: string[] = []
  const order = new HistoryOrder(({ epoch, offset }) => told.push(`${epoch}${offset}`))
  const hear = (...places: string[]) => {
    for (const place of places) {
      order.hear({ epoch: place[0] as string, offset: Number(place.slice(1)) }, new Uint8Array())
    }
  }
  return { told, order, hear }
}

test('what comes in another order is told in the order of the offsets, each once', () => {
  const { told, hear } = listen()
  hear('a0', 'a1', 'a3', 'a2', 'a2', 'a6', 'a5', 'a4', 'a7')
  expect(told).toEqual(['a1', 'a2', 'a3', 'a4', 'a5', 'a6', 'a7'])
})

test('the first is waited for as well, and what does not come is left out', async () => {
  const { told, hear } = listen()
  hear('a8', 'a7')
  expect(told).toEqual([])
  await eventually(() => told.length === 2, 'they are told')
  hear('a10', 'a11')
  await eventually(() => told.length === 4, 'they are told without the missing one')
  hear('a9', 'a12')
  expect(told).toEqual(['a7', 'a8', 'a10', 'a11', 'a12'])
})

test('no more is held than 256 messages', () => {
  const { told, hear } = listen()
  hear('a0', ...Array.from({ length: 300 }, (_, index) => `a${index + 2}`))
  expect(told.length).toBe(300)
  expect(told[0]).toBe('a2')
})

test('another epoch begins anew, and what was held of the one before is told first', () => {
  const { told, hear } = listen()
  hear('a0', 'a1', 'a3', 'b0', 'b2', 'b1')
  expect(told).toEqual(['a1', 'a3', 'b1', 'b2'])
})

test('after a reset nothing is told of what was held', async () => {
  const { told, order, hear } = listen()
  hear('a0', 'a2')
  order.reset()
  await sleep(80)
  expect(told).toEqual([])
  hear('a1')
  await eventually(() => told.length === 1, 'it hears again')
})
