import type { z } from 'zod'
import { explainIssues, type OptionProblem } from './explain-issues.ts'

/**
 * Checks what a user wrote and fills in every default. The result is frozen and final: nothing below checks
 * again. All mistakes are told at once.
 */
export function checkOptions<Schema extends z.ZodType>(
  schema: Schema,
  input: unknown,
): { readonly config: z.output<Schema> } | { readonly problems: readonly OptionProblem[] } {
  const result = schema.safeParse(input)
  if (result.success) return { config: freeze(result.data) }
  return { problems: explainIssues(result.error.issues, schema, input) }
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

/** Maps and lists only: what a user passed in by reference, such as a logger, stays as it is. */
function freeze<Value>(value: Value): Value {
  if (typeof value !== 'object' || value === null || Object.isFrozen(value)) return value
  if (!Array.isArray(value) && Object.getPrototypeOf(value) !== Object.prototype) return value
  Object.freeze(value)
  for (const inner of Object.values(value)) freeze(inner)
  return value
}
