import { expect, test } from 'vitest'
import { Turns } from './turns.ts'

test('so many at once, the others in their order; who gives up loses its turn, or keeps it for nobody', async () => {
  const turns = new Turns(2)
  const begun: string[] = []
  const ends = new Map<string, () => void>()
  const settled: string[] = []
  const run = (name: string, signal: AbortSignal | null = null) => {
    const work = () => {
      begun.push(name)
      return new Promise<void>((resolve) => ends.set(name, resolve))
    }
    turns.run(work, signal).then(
      () => settled.push(name),
      () => settled.push(`${name} gave up`),
    )
  }
  const [inside, outside] = [new AbortController(), new AbortController()]
  run('a', inside.signal)
  run('b')
  run('c', outside.signal)
  run('d')
  expect([begun, turns.waiting]).toEqual([['a', 'b'], 2])
  outside.abort()
  inside.abort()
  await new Promise(setImmediate)
  expect([begun, settled, turns.waiting]).toEqual([['a', 'b'], ['c gave up', 'a gave up'], 1])
  ends.get('a')?.()
  await new Promise(setImmediate)
  expect(begun).toEqual(['a', 'b', 'd'])
  turns.close()
  run('e')
  await new Promise(setImmediate)
  expect([begun.length, settled.slice(2)]).toEqual([3, ['b gave up', 'd gave up', 'e gave up']])
})
