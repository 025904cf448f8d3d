import { isSecret } from '../core/options/explain-issues.ts'

/** A key in block or flow style, quoted or not. */
const keys = /(["']?)([A-Za-z_][\w-]*)\1\s*:/g

/**
 * Whether a line of a config text may hold something that must not be shown. Goes by the keys in it and by those it
 * stands below, since it is asked for texts that cannot be understood: where the text says `secret`, all of the line
 * is one.
 * @param line counted from 1
 */
export function holdsSecret(text: string, line: number): boolean {
  const rows = text.split(/\r?\n/, line)
  const row = rows[line - 1]
  if (row === undefined) return false
  const path = keysOf(row)
  let indent = indentOf(row)
  for (let above = line - 2; above >= 0 && indent > 0; above--) {
    const parent = rows[above] as string
    if (parent.trim() === '' || indentOf(parent) >= indent) continue
    indent = indentOf(parent)
    path.unshift(...keysOf(parent))
  }
  return isSecret(path)
}

function keysOf(row: string): string[] {
  return [...row.matchAll(keys)].map(([, , key]) => key as string)
}

/** Also of `- key: value`, whose key stands further right than the dash. */
function indentOf(row: string): number {
  return row.length - row.trimStart().length
}
