import { readdirSync, readFileSync } from 'node:fs'
import { join, posix } from 'node:path'
import { parseSourceFile, type SourceFile } from './source-file.ts'

/** Something that is not as it should be. `message` says what to do about it. */
export interface Finding {
  readonly file: string
  readonly line: number
  readonly message: string
}

/** A rule looks at the whole repository and names what breaks it. */
export type Rule = (tree: Tree) => Finding[]

const notOurs = new Set(['node_modules', '.git', 'dist', 'coverage', '.tmp', 'results'])
const binary = /\.(png|jpe?g|gif|webp|ico|woff2?|log)$/

/** The repository's text files, by path from its root with `/` between names. */
export class Tree {
  readonly #texts: ReadonlyMap<string, string>
  readonly #sources = new Map<string, SourceFile>()

  constructor(texts: ReadonlyMap<string, string>) {
    this.#texts = texts
  }

  static of(texts: Readonly<Record<string, string>>): Tree {
    return new Tree(new Map(Object.entries(texts)))
  }

  static read(root: string): Tree {
    const texts = new Map<string, string>()
    const readFolder = (folder: string) => {
      for (const entry of readdirSync(join(root, folder), { withFileTypes: true })) {
        const path = posix.join(folder, entry.name)
        if (entry.isDirectory() && !notOurs.has(entry.name)) readFolder(path)
        if (entry.isFile() && !binary.test(entry.name))
          texts.set(path, readFileSync(join(root, path), 'utf8'))
      }
    }
    readFolder('.')
    return new Tree(texts)
  }

  /** Every path, or those that match. */
  paths(pattern: RegExp = /(?:)/): string[] {
    return [...this.#texts.keys()].filter((path) => pattern.test(path)).sort()
  }

  has(path: string): boolean {
    return this.#texts.has(path)
  }

  text(path: string): string {
    const text = this.#texts.get(path)
    if (text === undefined) throw new Error(`${path} is not in the tree`)
    return text
  }

  lines(path: string): string[] {
    return this.text(path).split('\n')
  }

  source(path: string): SourceFile {
    const known = this.#sources.get(path)
    if (known !== undefined) return known
    const source = parseSourceFile(path, this.text(path))
    this.#sources.set(path, source)
    return source
  }

  /** The path a relative import leads to; null for packages. */
  resolve(from: string, specifier: string): string | null {
    return specifier.startsWith('.') ? posix.join(posix.dirname(from), specifier) : null
  }
}

export const code = /\.(ts|mjs)$/
export const productCode = /^src\/.*\.ts$/

/** Tests, and the contract suites they share: not part of the product. */
export function isTest(path: string): boolean {
  return /\.test\.ts$|-contract\.ts$|\/contract\//.test(path) || path.startsWith('test/')
}

/** Files that something outside the code starts: what package.json exports, and programs. */
export function isEntry(path: string): boolean {
  return /^src\/[^/]+\.ts$/.test(path) || /(^|[/-])main\.ts$/.test(path)
}
