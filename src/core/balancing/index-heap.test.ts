import fc from 'fast-check'
import { expect, test } from 'vitest'
import { IndexHeap } from './index-heap.ts'

const keys = fc.array(fc.nat(8), { minLength: 1, maxLength: 40 })

function byKey(keyOf: readonly number[]) {
  return (a: number, b: number): number => (keyOf[a] as number) - (keyOf[b] as number) || a - b
}

test('indices come out by key, equal keys by index', () => {
  fc.assert(
    fc.property(keys, (keyOf) => {
      const heap = new IndexHeap(keyOf.length)
      for (const [index, key] of keyOf.entries()) heap.push(index, key)
      const out: number[] = []
      while (heap.size > 0) {
        expect(heap.firstKey).toBe(keyOf[heap.first] as number)
        out.push(heap.first)
        heap.shift()
      }
      expect(out).toEqual([...keyOf.keys()].sort(byKey(keyOf)))
    }),
  )
})

test('pushes, removals and new keys in any order keep the least first', () => {
  const steps = fc.array(fc.record({ kind: fc.constantFrom('push', 'shift', 'rekey'), by: fc.nat(5) }), {
    maxLength: 100,
  })
  fc.assert(
    fc.property(keys, steps, (initial, moves) => {
      const keyOf = [...initial]
      const heap = new IndexHeap(keyOf.length)
      const inside = new Set<number>()
      for (const { kind, by } of moves) {
        const missing = keyOf.findIndex((_, index) => !inside.has(index))
        if (kind === 'push' && missing !== -1) {
          heap.push(missing, keyOf[missing] as number)
          inside.add(missing)
        } else if (kind === 'shift' && inside.size > 0) {
          inside.delete(heap.first)
          heap.shift()
        } else if (kind === 'rekey' && inside.size > 0) {
          keyOf[heap.first] = heap.firstKey + by
          heap.rekeyFirst(heap.firstKey + by)
        }
        expect(heap.size).toBe(inside.size)
        if (inside.size > 0) expect(heap.first).toBe([...inside].sort(byKey(keyOf))[0] as number)
      }
    }),
  )
})
