import type { BackendState } from './backend.ts'
import type { GatewayConfig } from './options.ts'

/** The state that a configuration gives to each address that it gives one to: the strictest of all pools. */
export function configuredStates({ pools }: GatewayConfig): Map<string, BackendState> {
  const states = new Map<string, BackendState>()
  for (const { backends } of Object.values(pools)) {
    for (const { address, state } of backends) {
      if (state !== undefined) states.set(address, strictest(states.get(address) ?? 'active', state))
    }
  }
  return states
}

function strictest(first: BackendState, second: BackendState): BackendState {
  if (first === 'disabled' || second === 'active') return first
  return second
}
