import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { type HealthState, observe, unproven } from './observe.ts'

const rule = { rise: 2, fall: 3 }

function stateAfter(results: readonly boolean[], by = rule): HealthState {
  return results.reduce((state, passed) => observe(state, passed, by), unproven)
}

describe('observe', () => {
  test('as many failures in a row as `fall` make a backend unhealthy, one less does not', () => {
    expect(stateAfter([true, false, false]).status).toBe('up')
    expect(stateAfter([true, false, false, false]).status).toBe('down')
  })

  test('as many passes in a row as `rise` make it healthy again, one less does not', () => {
    expect(stateAfter([false, false, false, true]).status).toBe('down')
    expect(stateAfter([false, false, false, true, true]).status).toBe('up')
  })

  test('the first probe that passes settles an unknown backend', () => {
    expect(stateAfter([]).status).toBe('unknown')
    expect(stateAfter([true]).status).toBe('up')
    expect(stateAfter([false, true]).status).toBe('up')
    expect(stateAfter([false, false, false]).status).toBe('down')
  })

  test('whatever the history, the status changes at the end of a whole row and nowhere else', () => {
    const rules = fc.record({ rise: fc.integer({ min: 1, max: 5 }), fall: fc.integer({ min: 1, max: 5 }) })
    fc.assert(
      fc.property(fc.array(fc.boolean(), { maxLength: 60 }), rules, (results, by) => {
        let state = unproven
        for (const [index, passed] of results.entries()) {
          const before = state.status
          state = observe(state, passed, by)
          const needed = passed ? by.rise : by.fall
          const row = results.slice(Math.max(0, index + 1 - needed), index + 1)
          const whole = row.length === needed && row.every((each) => each === passed)
          if (before === 'unknown' && passed) expect(state.status).toBe('up')
          else if (state.status !== before) expect(whole).toBe(true)
          else if (whole) expect(state.status).toBe(passed ? 'up' : 'down')
          expect(state.streak).toBeLessThan(Math.max(by.rise, by.fall))
        }
      }),
    )
  })

  test('alternating results never change a status when both rows are longer than one', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 50 }), fc.boolean(), (length, down) => {
        const start = stateAfter(down ? [false, false, false] : [true])
        let state = start
        for (let i = 0; i < length; i++) state = observe(state, i % 2 === 0 ? down : !down, rule)
        expect(state.status).toBe(start.status)
      }),
    )
  })
})
