import { FairleadError } from '../core/errors.ts'
import { explainIssues, type OptionProblem } from './explain-issues.ts'
import { type GatewayConfig, gatewayOptions } from './options.ts'

/**
 * Checks what a user wrote and fills in every default. The result is frozen and final: nothing below checks
 * again. All mistakes are told at once.
 */
export function parseOptions(
  input: unknown,
): { readonly config: GatewayConfig } | { readonly problems: readonly OptionProblem[] } {
  const result = gatewayOptions.safeParse(input)
  if (result.success) return { config: freeze(result.data) }
  return { problems: explainIssues(result.error.issues, gatewayOptions, input) }
}

/** @throws FairleadError `CONFIG_INVALID` naming every mistake in the options */
export function checkedOptions(input: unknown): GatewayConfig {
  const parsed = parseOptions(input)
  if ('config' in parsed) return parsed.config
  const message = `the gateway's options are not valid:\n${formatProblems(parsed.problems)}`
  throw new FairleadError('CONFIG_INVALID', message, { source: 'config', retryable: false })
}

/** One line: the field, what was found there, and what is allowed. */
export function formatProblem({ field, found, expected, hint }: OptionProblem): string {
  const what = `found ${found}, expected ${expected}${hint === undefined ? '' : ` (${hint})`}`
  return field === '' ? what : `${field}: ${what}`
}

/** One line for each problem; beyond 20 only their number. */
export function formatProblems(
  problems: readonly OptionProblem[],
  format: (problem: OptionProblem) => string = formatProblem,
): string {
  const most = 20
  const lines = problems.slice(0, most).map(format)
  if (problems.length > most) lines.push(`... and ${problems.length - most} more`)
  return lines.join('\n')
}

function freeze<Value>(value: Value): Value {
  if (typeof value !== 'object' || value === null || Object.isFrozen(value)) return value
  Object.freeze(value)
  for (const inner of Object.values(value)) freeze(inner)
  return value
}
