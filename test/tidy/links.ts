import { posix } from 'node:path'
import type { Finding, Rule, Tree } from './tree.ts'

const pages = /\.md$/
const link = /!?\[[^\]]*\]\(\s*<?([^\s)>]+)>?[^)]*\)/g

interface Link {
  readonly file: string
  readonly line: number
  readonly target: string
}

/** Relative links of every page lead to a file, and to a heading when they name one. */
export const linksResolve: Rule = (tree) =>
  relativeLinks(tree).flatMap(({ file, line, target }): Finding[] => {
    const [path, anchor] = split(file, target)
    const folder = path === '.' ? '' : `${path.replace(/\/$/, '')}/`
    if (!tree.has(path) && !tree.paths().some((other) => other.startsWith(folder))) {
      return [{ file, line, message: `links to ${target}, which does not exist` }]
    }
    if (anchor === '' || !pages.test(path) || headings(tree, path).includes(anchor)) return []
    return [{ file, line, message: `links to ${target}, but ${path} has no such heading` }]
  })

/** A page in docs that nothing links to is read by nobody. */
export const pagesAreLinked: Rule = (tree) => {
  const linked = new Set(
    relativeLinks(tree)
      .map(({ file, target }) => ({ file, path: split(file, target)[0] }))
      .filter(({ file, path }) => file !== path)
      .map(({ path }) => path),
  )
  return tree
    .paths(/^docs\/.*\.md$/)
    .filter((file) => !linked.has(file))
    .map((file) => ({
      file,
      line: 1,
      message: 'is linked from no other page: link it where a reader looks for it',
    }))
}

function relativeLinks(tree: Tree): Link[] {
  return tree.paths(pages).flatMap((file) => {
    const found: Link[] = []
    for (const [index, line] of proseLines(tree, file).entries()) {
      for (const [, target] of line.replace(/`[^`]*`/g, '``').matchAll(link)) {
        if (target === undefined || /^([a-z][a-z+.-]*:|\/)/i.test(target)) continue
        found.push({ file, line: index + 1, target })
      }
    }
    return found
  })
}

/** The lines of a page, those inside code blocks emptied. */
function proseLines(tree: Tree, file: string): string[] {
  let fence: string | null = null
  return tree.lines(file).map((line) => {
    const mark: string | undefined = /^\s*(```+|~~~+)/.exec(line)?.[1]
    if (mark === undefined) return fence === null ? line : ''
    if (fence === null) fence = mark
    else if (mark.startsWith(fence)) fence = null
    return ''
  })
}

/** Anchors as the usual renderers make them from headings. */
function headings(tree: Tree, file: string): string[] {
  const seen = new Map<string, number>()
  return proseLines(tree, file).flatMap((line) => {
    const heading = /^#{1,6}\s+(.*?)\s*#*$/.exec(line)?.[1]
    if (heading === undefined) return []
    const plain = heading.replace(/\[([^\]]*)\]\([^)]*\)/g, '$1').toLowerCase()
    const slug = plain.replace(/[^\p{L}\p{N}\s_-]/gu, '').replace(/\s/g, '-')
    const count = seen.get(slug) ?? 0
    seen.set(slug, count + 1)
    return [count === 0 ? slug : `${slug}-${count}`]
  })
}

function split(file: string, target: string): [path: string, anchor: string] {
  const [path = '', anchor = ''] = target.split('#')
  if (path === '') return [file, anchor]
  return [posix.join(posix.dirname(file), decodeURIComponent(path)), anchor]
}
