import { type Function as FunctionNode, type Node, parseSync, Visitor } from 'oxc-parser'

/** One import, re-export or `import()` of a file. */
export interface ImportOfFile {
  readonly specifier: string
  readonly line: number
  /** Nothing of it is left after types are erased. */
  readonly typeOnly: boolean
  readonly reExport: 'no' | 'named' | 'star'
}

export interface FunctionOfFile {
  readonly name: string
  readonly line: number
  readonly codeLines: number
}

/** Something with a place in a file. */
export interface Mention {
  readonly text: string
  readonly line: number
}

/** What the rules want to know about a TypeScript or JavaScript file. */
export interface SourceFile {
  readonly imports: readonly ImportOfFile[]
  readonly functions: readonly FunctionOfFile[]
  readonly comments: readonly Mention[]
  /** Names of functions that are called without a receiver: `setTimeout`. */
  readonly calls: readonly Mention[]
  readonly enums: readonly Mention[]
  /** Line of `export default`, or null. */
  readonly defaultExport: number | null
  /** Lines that hold more than blanks and comments. */
  readonly codeLines: number
}

/** TypeScript 7 has no stable parser of its own for JavaScript callers, hence oxc (the one Vite is built on). */
export function parseSourceFile(path: string, text: string): SourceFile {
  const { program, module, comments, errors } = parseSync(path, text)
  if (errors[0] !== undefined) throw new Error(`${path} cannot be parsed: ${errors[0].message}`)
  const lines = new LineCounter(text, comments)
  const found = visit(program, lines)
  const imports = module.staticImports.map(({ start, moduleRequest, entries }) => ({
    specifier: moduleRequest.value,
    line: lines.lineAt(start),
    typeOnly: text.startsWith('import type', start) || (entries.length > 0 && entries.every((e) => e.isType)),
    reExport: 'no' as const,
  }))
  return { ...found, imports: [...imports, ...found.imports], ...describe(comments, lines) }
}

function describe(comments: readonly { value: string; start: number }[], lines: LineCounter) {
  return {
    comments: comments.map(({ value, start }) => ({ text: value, line: lines.lineAt(start) })),
    codeLines: lines.codeLines(0, Number.POSITIVE_INFINITY),
  }
}

/** Everything that only the syntax tree tells. */
function visit(program: Parameters<Visitor['visit']>[0], lines: LineCounter) {
  const imports: ImportOfFile[] = []
  const functions: FunctionOfFile[] = []
  const calls: Mention[] = []
  const enums: Mention[] = []
  let defaultExport: number | null = null
  const addImport = (
    node: Node,
    source: Node,
    typeOnly: boolean,
    reExport: ImportOfFile['reExport'] = 'no',
  ) => {
    if (source.type !== 'Literal' || typeof source.value !== 'string') return
    imports.push({ specifier: source.value, line: lines.lineAt(node.start), typeOnly, reExport })
  }
  const addFunction = (node: Node, name: string) => {
    const codeLines = lines.codeLines(node.start, node.end)
    functions.push({ name, line: lines.lineAt(node.start), codeLines })
  }
  const named = (node: FunctionNode) => addFunction(node, node.id?.name ?? 'a function')
  new Visitor({
    ImportExpression: (node) => addImport(node, node.source, false),
    TSImportType: (node) => addImport(node, node.source, true),
    ExportAllDeclaration: (node) => addImport(node, node.source, node.exportKind === 'type', 'star'),
    ExportNamedDeclaration: (node) => {
      if (node.source !== null) addImport(node, node.source, node.exportKind === 'type', 'named')
    },
    ExportDefaultDeclaration: (node) => {
      defaultExport = lines.lineAt(node.start)
    },
    FunctionDeclaration: named,
    FunctionExpression: named,
    ArrowFunctionExpression: (node) => addFunction(node, 'an arrow function'),
    TSEnumDeclaration: (node) => enums.push({ text: node.id.name, line: lines.lineAt(node.start) }),
    CallExpression: ({ callee }) => {
      if (callee.type === 'Identifier') calls.push({ text: callee.name, line: lines.lineAt(callee.start) })
    },
  }).visit(program)
  return { imports, functions, calls, enums, defaultExport }
}

/** Turns offsets into lines, and tells lines with code from blanks and comments. */
class LineCounter {
  /** Offset of each line's first character. */
  readonly #starts: number[] = [0]
  /** Per line, the offset of its first and last piece of code; null without code. */
  readonly #code: ({ first: number; last: number } | null)[]

  constructor(text: string, comments: readonly { start: number; end: number }[]) {
    let bare = text
    for (const { start, end } of comments) {
      bare = bare.slice(0, start) + bare.slice(start, end).replace(/[^\n]/g, ' ') + bare.slice(end)
    }
    for (let at = text.indexOf('\n'); at !== -1; at = text.indexOf('\n', at + 1)) this.#starts.push(at + 1)
    this.#code = bare.split('\n').map((line, index) => {
      const start = this.#starts[index] as number
      if (line.trim() === '') return null
      return { first: start + line.search(/\S/), last: start + line.trimEnd().length - 1 }
    })
  }

  /** Line number, from 1. */
  lineAt(offset: number): number {
    let low = 0
    let high = this.#starts.length - 1
    while (low < high) {
      const middle = Math.ceil((low + high) / 2)
      if ((this.#starts[middle] as number) <= offset) low = middle
      else high = middle - 1
    }
    return low + 1
  }

  codeLines(start: number, end: number): number {
    return this.#code.filter((code) => code !== null && code.last >= start && code.first < end).length
  }
}
