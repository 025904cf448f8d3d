import { FairleadError } from '../core/errors.ts'
import { checkOptions, formatProblems } from '../core/options/check-options.ts'
import type { OptionProblem } from '../core/options/explain-issues.ts'
import { type GatewayConfig, gatewayOptions } from './options.ts'

/** Checks a gateway's options and fills in every default; all mistakes at once. */
export function parseOptions(
  input: unknown,
): { readonly config: GatewayConfig } | { readonly problems: readonly OptionProblem[] } {
  return checkOptions(gatewayOptions, input)
}

/** @throws FairleadError `CONFIG_INVALID` naming every mistake in the options */
export function checkedOptions(input: unknown): GatewayConfig {
  const parsed = parseOptions(input)
  if ('config' in parsed) return parsed.config
  const message = `the gateway's options are not valid:\n${formatProblems(parsed.problems)}`
  throw new FairleadError('CONFIG_INVALID', message, { source: 'config', retryable: false })
}
