import { checkOptions } from '../core/options/check-options.ts'
import type { OptionProblem } from '../core/options/explain-issues.ts'
import { type GatewayConfig, gatewayOptions } from './options.ts'

/** Checks a gateway's options and fills in every default; all mistakes at once. */
export function parseOptions(
  input: unknown,
): { readonly config: GatewayConfig } | { readonly problems: readonly OptionProblem[] } {
  return checkOptions(gatewayOptions, input)
}
