import type { Policy } from './policy.ts'

/**
 * The backend a client is pinned to, while it is eligible; else, and for whoever is not pinned, what another
 * policy prefers.
 *
 * @param weights a backend of weight 0 gets nothing, so nobody stays pinned to it
 */
export function pinned(weights: readonly number[], otherwise: Policy): Policy {
  const shares = Float64Array.from(weights)
  const policy: Policy = {
    pick(accept, key = -1) {
      if (key >= 0 && (shares[key] ?? 0) > 0 && accept(key)) return key
      return otherwise.pick(accept)
    },
  }
  if (otherwise.loadChanged !== undefined) policy.loadChanged = (index) => otherwise.loadChanged?.(index)
  return policy
}
