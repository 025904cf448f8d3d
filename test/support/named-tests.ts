import { existsSync, readFileSync } from 'node:fs'
import { expect, test } from 'vitest'

const root = new URL('../../', import.meta.url)

/** A page of the repository. */
export function readPage(path: string): string {
  return readFileSync(new URL(path, root), 'utf8')
}

/** A test as pages name it: `` `test/file.test.ts`: "name of a test" ``. */
export interface NamedTest {
  readonly file: string | undefined
  readonly name: string | undefined
}

/** What a cell of a table names. */
export function namedTest(cell: string): NamedTest {
  const [, file, name] = /^`((?:src|test)\/[\w./-]+\.ts)`: "(.+)"$/.exec(cell) ?? []
  return { file, name }
}

/** Every test that a page names is there. */
export function testsExist<Named extends NamedTest>(title: string, named: readonly Named[]): void {
  test.each(named)(title, ({ file, name }) => {
    if (file === undefined || name === undefined)
      throw new Error('expected `test/file.test.ts`: "name of a test"')
    const place = new URL(file, root)
    expect(existsSync(place)).toBe(true)
    const titles = readFileSync(place, 'utf8')
      .split('\n')
      .filter((line) => /^\s*(test|describe)\b|^\s*['"`]/.test(line))
    expect(titles.filter((line) => line.includes(name))).not.toEqual([])
  })
}
