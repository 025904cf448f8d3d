import {
  type Document,
  isAlias,
  isMap,
  isScalar,
  isSeq,
  LineCounter,
  type Node,
  type Pair,
  parseDocument,
  visit,
  type YAMLError,
} from 'yaml'
import type { OptionProblem } from '../core/options/explain-issues.ts'
import type { Mistake } from './mistake.ts'
import { holdsSecret } from './secret-lines.ts'

/** A config text that was understood: its value, and where each part of it stands. */
export interface ParsedText {
  readonly value: unknown
  /** Line and column of the value or key that a problem is about; of what surrounds it when it is missing. */
  locate(problem: Pick<OptionProblem, 'path' | 'about'>): { line: number; column: number } | undefined
}

/** Every alias multiplies what it names: a small file with more than this unfolds into a huge one. */
const mostAliases = 100

/** Each is looked up in the whole text: in a file that is something else altogether there are very many. */
const mostMistakes = 20

/**
 * Reads YAML 1.2, and so JSON too (any JSON text is YAML), with merge keys (`<<`). Keys that stand twice,
 * unknown anchors and unknown tags are mistakes, of which the first 20 are told.
 */
export function parseYaml(text: string): ParsedText | { readonly mistakes: readonly Mistake[] } {
  const lines = new LineCounter()
  const options = { lineCounter: lines, prettyErrors: false, merge: true, stringKeys: true } as const
  const document = parseDocument(text, { ...options, logLevel: 'error' })
  const at = (offset: number) => {
    const { line, col } = lines.linePos(offset)
    return { line, column: col }
  }
  const syntax = [...document.errors, ...document.warnings]
  if (syntax.length > 0) return { mistakes: syntaxMistakes(syntax, text, at) }
  const unknown = unknownAliases(document)
    .slice(0, mostMistakes)
    .map(({ name, offset }) => {
      const place = at(offset)
      return { message: aliasMessage(name, holdsSecret(text, place.line)), ...place }
    })
  if (unknown.length > 0) return { mistakes: unknown }
  try {
    const value: unknown = document.toJS({ maxAliasCount: mostAliases })
    return { value, locate: (problem) => locate(document, problem, at) }
  } catch (error) {
    return { mistakes: [{ message: unfoldMessage(error), ...at(firstReference(document)) }] }
  }
}

type At = (offset: number) => { line: number; column: number }

/** The first mistake of each line: one slip often confuses the parser several times. */
function syntaxMistakes(errors: readonly (YAMLError & Error)[], text: string, at: At): Mistake[] {
  const exhausted = errors.find((error) => error.code === 'RESOURCE_EXHAUSTION')
  if (exhausted) return [{ message: 'found values nested too deeply', ...at(exhausted.pos[0]) }]
  const mistakes = new Map<number, Mistake>()
  for (const error of errors) {
    const place = at(error.pos[0])
    if (mistakes.has(place.line)) continue
    if (mistakes.size === mostMistakes) break
    mistakes.set(place.line, { message: syntaxMessage(error, text, place.line), ...place })
  }
  return [...mistakes.values()].sort((a, b) => (a.line as number) - (b.line as number))
}

/** A password that begins with `*` is taken for one. */
function aliasMessage(name: string, secret: boolean): string {
  if (secret) return "found an alias of an anchor that is not there; put text that begins with '*' in quotes"
  return `found the alias *${name}, expected an anchor &${name} before it`
}

function syntaxMessage(error: YAMLError, text: string, line: number): string {
  const hint = /\[[0-9A-Fa-f:]*\]:\d/.test(lineAt(text, error.pos[0])) ? ' (put [ipv6]:port in quotes)' : ''
  const found = text.slice(error.pos[0]).match(/^[^\s:,\]}]{1,40}/)?.[0] ?? ''
  if (error.code === 'DUPLICATE_KEY') return `found the key '${found}' a second time in this map`
  if (error.code === 'MULTIPLE_DOCS') return 'found a second document, expected one'
  if (error.code === 'TAB_AS_INDENT') return 'found a tab, expected spaces as indentation'
  if (error.code === 'NON_STRING_KEY') return `found a list or map as a key, expected text${hint}`
  if (error.code === 'BAD_INDENT' && /end with a ([\]}])$/.test(error.message))
    return `found no '${error.message.at(-1)}' for the '${error.message.endsWith(']') ? '[' : '{'}' above`
  if (error.message.startsWith('All mapping items'))
    return 'found another indentation, expected the same as the keys above'
  if (error.message.startsWith('Missing closing')) return 'found the end of the file within quotes'
  if (error.message.startsWith('Implicit map keys need'))
    return "found a key without value, expected 'key: value'"
  // The parser reads `b: 1` and a deeper `c: 2` below it as one long key.
  if (error.message.startsWith('Nested mappings are not') && !/:(\s|$)/.test(restOfLine(text, error.pos[0])))
    return 'found a deeper indentation on the next line, expected the same as here'
  if (error.message.startsWith('Nested mappings are not'))
    return "found a second ':' on the line; put text with ': ' in quotes"
  if (holdsSecret(text, line)) return 'not valid YAML; put text with special characters in quotes'
  return `not valid YAML: ${error.message}${hint}`
}

function restOfLine(text: string, offset: number): string {
  return text.slice(offset).split('\n', 1)[0] as string
}

function lineAt(text: string, offset: number): string {
  const start = text.lastIndexOf('\n', offset - 1) + 1
  const end = text.indexOf('\n', offset)
  return text.slice(start, end === -1 ? undefined : end)
}

function unknownAliases(document: Document): { name: string; offset: number }[] {
  const anchors = new Set<string>()
  const unknown: { name: string; offset: number }[] = []
  visit(document, {
    Node(_, node) {
      if (isAlias(node)) {
        if (!anchors.has(node.source)) unknown.push({ name: node.source, offset: node.range?.[0] ?? 0 })
      } else if (node.anchor !== undefined) anchors.add(node.anchor)
    },
  })
  return unknown
}

function unfoldMessage(error: unknown): string {
  const message = error instanceof Error ? error.message : String(error)
  if (message.startsWith('Excessive alias count')) {
    return `found aliases that unfold into too much, expected at most ${mostAliases}`
  }
  return message.startsWith('Merge sources') ? "found something else after '<<:', expected a map" : message
}

/** Where aliases start to matter: the first alias or merge key. */
function firstReference(document: Document): number {
  let offset = 0
  visit(document, {
    Pair(_, pair) {
      if (!isScalar(pair.key) || pair.key.value !== '<<') return undefined
      offset = pair.key.range?.[0] ?? 0
      return visit.BREAK
    },
    Alias(_, alias) {
      offset = alias.range?.[0] ?? 0
      return visit.BREAK
    },
  })
  return offset
}

function locate(document: Document, problem: Pick<OptionProblem, 'path' | 'about'>, at: At) {
  const { path, about } = problem
  let node = document.contents as Node | null
  let last: Node | null = node
  for (const [index, key] of path.entries()) {
    const resolved = isAlias(node) ? (node.resolve(document) as Node | undefined) : node
    const found = childOf(resolved, key, document)
    if (found === undefined) break
    const isLast = index === path.length - 1
    last = isLast && about === 'key' ? (found.key ?? found.value) : (found.value ?? found.key)
    // What is missing inside a map is shown at the key of the map: its value may start lines below.
    if (index === path.length - 2 && about === 'missing') last = found.key ?? found.value
    node = found.value
  }
  return last?.range ? at(last.range[0]) : undefined
}

interface Found {
  readonly key: Node | null
  readonly value: Node | null
}

function childOf(node: Node | null | undefined, key: string | number, document: Document): Found | undefined {
  if (isSeq(node)) {
    const value = node.items[Number(key)] as Node | undefined
    return value && { key: null, value }
  }
  if (!isMap(node)) return undefined
  let merged: Found | undefined
  for (const pair of node.items as Pair<Node, Node | null>[]) {
    const name = isScalar(pair.key) ? String(pair.key.value) : undefined
    if (name === String(key)) return pair
    if (name === '<<') merged ??= inMerge(pair.value, key, document)
  }
  return merged
}

function inMerge(source: Node | null, key: string | number, document: Document): Found | undefined {
  const resolved = isAlias(source) ? (source.resolve(document) as Node | undefined) : source
  if (!isSeq(resolved)) return childOf(resolved, key, document)
  for (const item of resolved.items as Node[]) {
    const found = inMerge(item, key, document)
    if (found !== undefined) return found
  }
  return undefined
}
