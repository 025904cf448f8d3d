import { code, isEntry, isTest, productCode, type Rule, type Tree } from './tree.ts'

/**
 * No file reaches itself through imports. Imports of types count: they cost nothing at run time, but two files
 * that cannot be explained without each other are one file, or miss a third.
 */
export const noCycles: Rule = (tree) => {
  const edges = importGraph(tree)
  return components(edges)
    .filter((files) => files.length > 1 || edges.get(files[0] as string)?.includes(files[0] as string))
    .map((files) => {
      const file = files[0] as string
      return { file, line: 1, message: `is in an import cycle: ${shortestCycle(edges, file).join(' -> ')}` }
    })
}

/** Every file of src is reached from what the package exports or starts; shared test code from a test. */
export const noOrphans: Rule = (tree) => {
  const edges = importGraph(tree)
  const product = reach(
    edges,
    tree.paths(productCode).filter((file) => isEntry(file) && !isTest(file)),
  )
  const tests = reach(
    edges,
    tree.paths(code).filter((file) => isTest(file) && (file.endsWith('.test.ts') || isEntry(file))),
  )
  return tree
    .paths(productCode)
    .filter((file) => !file.endsWith('.test.ts') && !(isTest(file) && isEntry(file)))
    .filter((file) => !(isTest(file) ? tests : product).has(file))
    .map((file) => ({
      file,
      line: 1,
      message:
        isTest(file) || !tests.has(file)
          ? 'is imported by nobody: use it or delete it (a program is named main.ts or *-main.ts)'
          : 'is used by tests only: delete it, or if it is shared test code, name it *-contract.ts or put it in a folder contract/',
    }))
}

function importGraph(tree: Tree): Map<string, string[]> {
  const files = tree.paths(code)
  return new Map(
    files.map((file) => [
      file,
      tree
        .source(file)
        .imports.map(({ specifier }) => tree.resolve(file, specifier))
        .filter((target): target is string => target !== null && tree.has(target) && code.test(target)),
    ]),
  )
}

function reach(edges: ReadonlyMap<string, readonly string[]>, from: readonly string[]): Set<string> {
  const seen = new Set(from)
  // A Set is walked in order of insertion, including what is added on the way.
  for (const file of seen) for (const target of edges.get(file) ?? []) seen.add(target)
  return seen
}

/** Strongly connected components, by Tarjan; each sorted by name. */
function components(edges: ReadonlyMap<string, readonly string[]>): string[][] {
  const order = new Map<string, number>()
  const low = new Map<string, number>()
  const stack: string[] = []
  const found: string[][] = []
  const enter = (file: string) => {
    order.set(file, order.size)
    low.set(file, order.get(file) as number)
    stack.push(file)
    for (const target of edges.get(file) ?? []) {
      if (!order.has(target)) enter(target)
      if (stack.includes(target)) low.set(file, Math.min(low.get(file) as number, low.get(target) as number))
    }
    if (low.get(file) === order.get(file)) found.push(stack.splice(stack.indexOf(file)).sort())
  }
  for (const file of edges.keys()) if (!order.has(file)) enter(file)
  return found
}

function shortestCycle(edges: ReadonlyMap<string, readonly string[]>, start: string): string[] {
  const paths = [[start]]
  const seen = new Set<string>()
  for (const path of paths) {
    for (const target of edges.get(path.at(-1) as string) ?? []) {
      if (target === start) return [...path, start]
      if (!seen.has(target)) paths.push([...path, target])
      seen.add(target)
    }
  }
  return []
}
