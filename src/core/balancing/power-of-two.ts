import type { LoadOf, Policy, Random } from './policy.ts'
import { twoChoices } from './two-choices.ts'

/** Of two backends at random the one that carries less for its weight; O(1). */
export function powerOfTwo(weights: readonly number[], loadOf: LoadOf, source: Random): Policy {
  const shares = Float64Array.from(weights)
  return twoChoices(weights, (index) => loadOf(index) / (shares[index] as number), source)
}
