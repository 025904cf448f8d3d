import { code, isTest, type Rule } from './tree.ts'

const fileLimit = 400
const testFileLimit = 600
const functionLimit = 60

/** Files that may be longer, each with its reason. */
const exceptions: Readonly<Record<string, { readonly limit: number; readonly reason: string }>> = {}

/** Small rooms: a file of more than 400 lines of code is two things (tests and benchmarks: 600). */
export const filesAreSmall: Rule = (tree) =>
  tree.paths(code).flatMap((file) => {
    const relaxed = isTest(file) || file.startsWith('bench/')
    const limit = exceptions[file]?.limit ?? (relaxed ? testFileLimit : fileLimit)
    const { codeLines } = tree.source(file)
    if (codeLines <= limit) return []
    return [
      {
        file,
        line: 1,
        message: `has ${codeLines} lines of code, ${limit} at most: split it by what changes together`,
      },
    ]
  })

/** A function of more than 60 lines of code is two. Tests are exempt: their outermost functions are chapters. */
export const functionsAreSmall: Rule = (tree) =>
  tree
    .paths(code)
    .filter((file) => !isTest(file))
    .flatMap((file) => tree.source(file).functions.map((found) => ({ file, ...found })))
    .filter(({ codeLines }) => codeLines > functionLimit)
    .map(({ file, line, name, codeLines }) => ({
      file,
      line,
      message: `${name} has ${codeLines} lines of code, ${functionLimit} at most: split it`,
    }))
