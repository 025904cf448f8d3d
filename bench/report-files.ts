import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

/** When a report is written: to the minute, in UTC. */
export function reportDate(): string {
  return new Date().toISOString().slice(0, 16).replace('T', ' ')
}

/**
 * Writes a report as Markdown and JSON, under names that begin with `prefix` and say the date. Returns their path,
 * without the extension.
 */
export function saveReport(
  folder: string,
  prefix: string,
  markdown: string,
  json: { readonly date: string },
): string {
  mkdirSync(folder, { recursive: true })
  const path = join(folder, prefix + json.date.replace(' ', '-').replace(':', ''))
  writeFileSync(`${path}.md`, `${markdown}\n`)
  writeFileSync(`${path}.json`, `${JSON.stringify(json, null, 2)}\n`)
  return path
}
