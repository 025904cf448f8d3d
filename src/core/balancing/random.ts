import type { Policy, Random } from './policy.ts'
import { WeightedDraw } from './weighted-draw.ts'

/** Anyone, as likely as its weight says; O(1). Those who are eligible share what the others do not get. */
export function random(weights: readonly number[], source: Random): Policy {
  const draw = new WeightedDraw(weights, source)
  return {
    pick(accept) {
      draw.begin()
      for (;;) {
        const index = draw.next()
        if (index === -1 || accept(index)) return index
      }
    },
  }
}
