import { holdsSecret } from './secret-lines.ts'

/** A mistake in a config file. Lines and columns count from 1. */
export interface Mistake {
  readonly message: string
  readonly line?: number
  readonly column?: number
  /** Whether it is about something that must not be shown. */
  readonly secret?: boolean
}

const widest = 100

/**
 * `file:line:column: message`, and below it the line with a caret where the mistake is, unless something in that line
 * must not be shown.
 */
export function formatMistake(file: string, text: string, mistake: Mistake): string {
  const { line, column, message } = mistake
  if (line === undefined || column === undefined) return `${file}: ${message}`
  const head = `${file}:${line}:${column}: ${message}`
  return mistake.secret || holdsSecret(text, line) ? head : `${head}\n${frame(text, line, column)}`
}

function frame(text: string, line: number, column: number): string {
  const row = visible(text.split(/\r?\n/)[line - 1] ?? '')
  // Of a very long line, the part around the mistake.
  const from = column > widest ? column - Math.floor(widest / 2) : 0
  const excerpt = row.slice(from, from + widest).trimEnd()
  const margin = String(line)
  return [
    `  ${margin} | ${excerpt}`,
    `  ${' '.repeat(margin.length)} | ${' '.repeat(Math.max(0, column - 1 - from))}^`,
  ].join('\n')
}

/** One column for every character, and nothing that steers a terminal or lets somebody in. */
function visible(row: string): string {
  const shown = row.replace(/\/\/[^/@\s]*@/g, (login) => `//${'*'.repeat(login.length - 3)}@`)
  // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is replaced
  return shown.replace(/\t/g, ' ').replace(/[\u0000-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069]/g, '?')
}
