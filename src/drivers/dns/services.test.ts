import { expect, test } from 'vitest'
import { chosenServices } from './services.ts'

const service = (name: string, priority: number, weight: number) => ({ name, port: 1, priority, weight })
const weights = (...services: ReturnType<typeof service>[]) =>
  chosenServices(services)?.map(({ host, weight }) => [host, weight])

test('only those of the lowest priority are chosen, with their weights', () => {
  expect(weights(service('a', 20, 5), service('b', 10, 3), service('c', 10, 7))).toEqual([
    ['b', 3],
    ['c', 7],
  ])
})

test('large weights are scaled down in proportion, and 0 stays a small share', () => {
  expect(weights(service('a', 1, 65_535), service('b', 1, 32_768), service('c', 1, 0))).toEqual([
    ['a', 256],
    ['b', 128],
    ['c', 1],
  ])
})

test('weights of 0 alone are equal shares', () => {
  expect(weights(service('a', 1, 0), service('b', 1, 0))).toEqual([
    ['a', 1],
    ['b', 1],
  ])
})

test('the target . says that there is nobody', () => {
  expect(weights(service('', 0, 0))).toEqual([])
  expect(weights(service('.', 0, 0))).toEqual([])
})

test('a record with port 0 is nowhere, and does not keep the others out', () => {
  const portless = { ...service('a', 1, 1), port: 0 }
  expect(weights(portless, service('b', 2, 7))).toEqual([['b', 7]])
  expect(chosenServices([portless])).toBeNull()
})
