import fc from 'fast-check'
import { expect, test } from 'vitest'
import { PagedSet } from './paged-set.ts'

test('whoever is there from the first page to the last is listed exactly once', () => {
  const step = fc.tuple(fc.boolean(), fc.integer({ min: 0, max: 60 }))
  fc.assert(
    fc.property(
      fc.array(step, { maxLength: 200 }),
      fc.array(fc.array(step, { maxLength: 30 })),
      (first, between) => {
        const set = new PagedSet()
        const model = new Set<string>()
        const apply = ([come, number]: [boolean, number]) => {
          if (come) {
            set.add(`${number}`)
            model.add(`${number}`)
          } else {
            set.delete(`${number}`)
            model.delete(`${number}`)
          }
        }
        first.forEach(apply)
        expect(set.size).toBe(model.size)
        const listed: string[] = []
        let stayed = new Set(model)
        let cursor: number | null = 0
        for (let round = 0; cursor !== null; round++) {
          const page = set.page(cursor, 3)
          expect(page.items.length).toBeLessThanOrEqual(3)
          for (const item of page.items) expect(model.has(item)).toBe(true)
          listed.push(...page.items)
          cursor = page.next
          const steps = between[round] ?? []
          steps.forEach(apply)
          const gone = new Set(steps.filter(([come]) => !come).map(([, number]) => `${number}`))
          stayed = new Set([...stayed].filter((item) => !gone.has(item)))
        }
        for (const item of stayed) expect(listed.filter((each) => each === item)).toEqual([item])
      },
    ),
  )
})

test('places of those who went are given back', () => {
  const set = new PagedSet()
  for (let index = 0; index < 10_000; index++) {
    set.add(`${index}`)
    if (index >= 10) set.delete(`${index - 10}`)
  }
  expect(set.page(0, 100).items).toEqual(Array.from({ length: 10 }, (_, index) => `${9990 + index}`))
})
