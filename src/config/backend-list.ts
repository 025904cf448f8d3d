import { z } from 'zod'
import { FairleadError } from '../core/errors.ts'
import { formatProblem, formatProblems } from '../core/options/check-options.ts'
import { explainIssues } from '../core/options/explain-issues.ts'
import type { DiscoveredBackend } from '../gateway/discovery.ts'
import { discoverableBackend } from '../gateway/options.ts'
import { formatMistake } from './mistake.ts'
import { parseYaml } from './parse-yaml.ts'

const backendList = z.array(discoverableBackend).max(10_000)

/**
 * A list of backends in YAML or JSON: each an address or `{ address, weight }`. Nothing at all is a mistake, as a
 * file that is about to be written is empty for a moment; nobody is `[]`.
 * @throws FairleadError `CONFIG_INVALID` with every mistake and its place
 */
export function parseBackendList(file: string, text: string): readonly DiscoveredBackend[] {
  const quick = backendList.safeParse(fromJson(text))
  if (quick.success) return quick.data
  const parsed = parseYaml(text)
  if ('mistakes' in parsed) {
    throw invalid(parsed.mistakes.map((mistake) => formatMistake(file, text, mistake)).join('\n'))
  }
  const result = backendList.safeParse(parsed.value)
  if (result.success) return result.data
  const problems = explainIssues(result.error.issues, backendList, parsed.value)
  throw invalid(
    formatProblems(problems, (problem) =>
      formatMistake(file, text, { message: formatProblem(problem), ...parsed.locate(problem) }),
    ),
  )
}

/** Long lists are mostly written by programs, as JSON, which is read a hundred times as fast as such and not as YAML. */
function fromJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

function invalid(message: string): FairleadError {
  return new FairleadError('CONFIG_INVALID', message, { source: 'config', retryable: false })
}
