import { access } from 'node:fs/promises'
import { join } from 'node:path'
import { FairleadError } from '../core/errors.ts'
import { formatProblem, formatProblems } from '../core/options/check-options.ts'
import { isSecret, type OptionProblem } from '../core/options/explain-issues.ts'
import type { GatewayConfig } from '../gateway/options.ts'
import { parseOptions } from '../gateway/parse-options.ts'
import { freshModule } from './fresh-module.ts'
import { loadModule } from './load-module.ts'
import { formatMistake, type Mistake } from './mistake.ts'
import { parseYaml } from './parse-yaml.ts'
import { readText, readTextAgain } from './read-text.ts'

/** The files that are looked for when none is named, in this order. */
const defaultFiles = [
  'fairlead.yaml',
  'fairlead.yml',
  'fairlead.json',
  'fairlead.config.ts',
  'fairlead.config.mts',
  'fairlead.config.js',
  'fairlead.config.mjs',
] as const

/**
 * Loads a config file: YAML, JSON, or a module (`.ts`, `.js`, `.mjs`...) with the options as default export.
 * @throws FairleadError `CONFIG_NOT_FOUND` when it cannot be read; `CONFIG_INVALID` with every mistake of the
 * file in the message, each as `file:line:column: field: found ..., expected ...`. Values from modules have
 * no line.
 */
export async function loadConfig(file: string): Promise<GatewayConfig> {
  return isModule(file) ? fromModule(file, await loadModule(file)) : fromText(file, await readText(file))
}

/** The same for a file that was loaded before: as it is now, with everything it imports. */
export async function reloadConfig(file: string): Promise<GatewayConfig> {
  return isModule(file)
    ? fromModule(file, await freshModule(file))
    : fromText(file, await readTextAgain(file))
}

function isModule(file: string): boolean {
  return /\.[cm]?[jt]s$/.test(file)
}

/**
 * The config file of a folder.
 * @throws FairleadError `CONFIG_NOT_FOUND` when there is none
 */
export async function findConfig(folder: string): Promise<string> {
  for (const name of defaultFiles) {
    const there = await access(join(folder, name)).then(
      () => true,
      () => false,
    )
    if (there) return name
  }
  const message = `no config file here: looked for ${defaultFiles.join(', ')}; name one with --config`
  throw new FairleadError('CONFIG_NOT_FOUND', message, { source: 'config', retryable: false })
}

function fromModule(file: string, options: unknown): GatewayConfig {
  const result = parseOptions(options)
  if ('config' in result) return result.config
  throw invalid(formatProblems(result.problems, (problem) => `${file}: ${formatProblem(problem)}`))
}

function fromText(file: string, text: string): GatewayConfig {
  const parsed = parseYaml(text)
  if ('mistakes' in parsed) {
    throw invalid(parsed.mistakes.map((mistake) => formatMistake(file, text, mistake)).join('\n'))
  }
  const result = parseOptions(parsed.value)
  if ('config' in result) return result.config
  const mistakes = new Map<OptionProblem, Mistake>()
  for (const problem of result.problems) {
    const place = parsed.locate(problem) ?? {}
    mistakes.set(problem, { message: formatProblem(problem), secret: isSecret(problem.path), ...place })
  }
  const inOrder = [...result.problems].sort((a, b) => lineOf(mistakes.get(a)) - lineOf(mistakes.get(b)))
  throw invalid(
    formatProblems(inOrder, (problem) => formatMistake(file, text, mistakes.get(problem) as Mistake)),
  )
}

function lineOf(mistake: Mistake | undefined): number {
  return mistake?.line ?? 0
}

function invalid(message: string): FairleadError {
  return new FairleadError('CONFIG_INVALID', message, { source: 'config', retryable: false })
}
