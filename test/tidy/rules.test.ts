import { describe, expect, test } from 'vitest'
import { noCycles, noOrphans } from './graph.ts'
import {
  brokersStayInDrivers,
  coreIsPure,
  importsAreDependencies,
  importsPointDown,
  layers,
  socketsStayInNet,
} from './layers.ts'
import { linksResolve, pagesAreLinked } from './links.ts'
import { filesAreSmall, functionsAreSmall } from './sizes.ts'
import { parseSourceFile } from './source-file.ts'
import { type Rule, Tree } from './tree.ts'
import {
  exportsAreExplicit,
  lockfileHasNoAddresses,
  lockfileIsComplete,
  namesNoMachine,
  namesSayWhatIsInside,
  putOffWorkHasAnIssue,
} from './words.ts'

/** Where the rule finds something, as `file:line`. */
function places(rule: Rule, files: Readonly<Record<string, string>>): string[] {
  return rule(Tree.of(files)).map(({ file, line }) => `${file}:${line}`)
}

const oneImport = (specifier: string) =>
  `// First line.\nimport { x } from '${specifier}'\nexport const y = x\n`

describe('imports point down', () => {
  test.each([
    ['src/core/a.ts', '../gateway/b.ts', 'up'],
    ['src/core/a.ts', '../net/b.ts', 'to a neighbour'],
    ['src/websocket/a.ts', '../http1/b.ts', 'to a neighbour'],
    ['src/gateway/a.ts', '../hub/b.ts', 'to a neighbour'],
    ['src/drivers/redis/a.ts', '../nats/b.ts', 'to another driver'],
    ['src/cli/a.ts', '../index.ts', 'to the public entry'],
    ['src/core/balancing/a.ts', '../../protocol/b.ts', 'up from a folder in a folder'],
    ['src/gateway/a.ts', '../invented/b.ts', 'to a folder without a layer'],
    ['src/invented/a.ts', '../core/b.ts', 'from a folder without a layer'],
    ['src/gateway/a.ts', '../../bench/b.ts', 'out of src'],
  ])('%s may not import %s (%s)', (file, specifier) => {
    expect(places(importsPointDown, { [file]: oneImport(specifier) })).toEqual([`${file}:2`])
  })

  test.each([
    ['src/cli/a.ts', '../gateway/b.ts'],
    ['src/index.ts', './gateway/b.ts'],
    ['src/drivers/redis/a.ts', '../../hub/b.ts'],
    ['src/gateway/a.ts', './tunnel/b.ts'],
    ['src/http1/a.ts', '../net/b.ts'],
    ['src/gateway/a.test.ts', '../../test/b.ts'],
    ['src/gateway/a.ts', 'pino'],
  ])('%s may import %s', (file, specifier) => {
    expect(places(importsPointDown, { [file]: oneImport(specifier) })).toEqual([])
  })

  test.each([
    `import type { X } from '../gateway/b.ts'`,
    `export { x } from '../gateway/b.ts'`,
    `export * from '../gateway/b.ts'`,
    `const b = await import('../gateway/b.ts')`,
    `type X = import('../gateway/b.ts').X`,
  ])('in whatever form: %s', (text) => {
    expect(places(importsPointDown, { 'src/core/a.ts': text })).toEqual(['src/core/a.ts:1'])
  })

  test('every folder of the table stands in it once', () => {
    const all = layers.flat()
    expect(new Set(all).size).toBe(all.length)
  })
})

describe('what may be imported where', () => {
  test('a broker client outside of drivers is found', () => {
    const files = {
      'src/hub/a.ts': oneImport('@nats-io/jetstream'),
      'src/drivers/nats/a.ts': oneImport('nats'),
    }
    expect(places(brokersStayInDrivers, files)).toEqual(['src/hub/a.ts:2'])
  })

  test('a module of the runtime and a timer in the core are found, a test of the core is free', () => {
    const files = {
      'src/core/a.ts': oneImport('node:crypto'),
      'src/core/b.ts': 'export function later(f: () => void) {\n  setTimeout(f, 1)\n}',
      'src/core/c.ts': 'export const fine = (clock: { setTimeout(): void }) => clock.setTimeout()',
      'src/core/a.test.ts': oneImport('node:crypto'),
    }
    expect(places(coreIsPure, files)).toEqual(['src/core/a.ts:2', 'src/core/b.ts:2'])
  })

  test('a socket beside the socket port is found', () => {
    const files = {
      'src/gateway/a.ts': oneImport('node:net'),
      'src/http1/a.ts': oneImport('node:fs'),
      'src/websocket/a.ts': oneImport('node:crypto'),
      'src/net/a.ts': oneImport('node:net'),
    }
    expect(places(socketsStayInNet, files)).toEqual(['src/gateway/a.ts:2', 'src/http1/a.ts:2'])
  })

  test('a package that is not installed with the product is found', () => {
    const files = {
      'package.json': '{ "dependencies": { "pino": "1.0.0", "@scope/a": "1.0.0" } }',
      'src/cli/a.ts': oneImport('ws'),
      'src/cli/b.ts': oneImport('@scope/b/deep'),
      'src/cli/c.ts': `${oneImport('@scope/a/deep')}import 'pino'\nimport type { W } from 'ws'\nimport 'node:fs'`,
      'src/cli/a.test.ts': oneImport('vitest'),
      'src/net/socket-contract.ts': oneImport('vitest'),
      'src/net/contract/workbench.ts': oneImport('ws'),
    }
    expect(places(importsAreDependencies, files)).toEqual(['src/cli/a.ts:2', 'src/cli/b.ts:2'])
  })
})

describe('the graph of imports', () => {
  test('a cycle is found once, also through types, and its path is named', () => {
    const files = {
      'src/core/a.ts': `import { b } from './b.ts'`,
      'src/core/b.ts': `import { c } from './c.ts'`,
      'src/core/c.ts': `import type { a } from './a.ts'\nimport { d } from './d.ts'`,
      'src/core/d.ts': 'export const d = 1',
    }
    expect(noCycles(Tree.of(files)).map(({ message }) => message)).toEqual([
      'is in an import cycle: src/core/a.ts -> src/core/b.ts -> src/core/c.ts -> src/core/a.ts',
    ])
  })

  test('a file that imports itself is a cycle', () => {
    expect(places(noCycles, { 'bench/a.ts': `import './a.ts'` })).toEqual(['bench/a.ts:1'])
  })

  test('files that nobody, only a test, or only another orphan imports are found', () => {
    const files = {
      'src/index.ts': `export { used } from './core/used.ts'`,
      'src/core/used.ts': 'export const used = 1',
      'src/core/orphan.ts': `import './orphans-child.ts'`,
      'src/core/orphans-child.ts': '',
      'src/core/tested.ts': '',
      'src/core/tested.test.ts': `import './tested.ts'\nimport './a-contract.ts'`,
      'src/core/a-contract.ts': '',
      'src/core/b-contract.ts': '',
      'src/cli/worker-main.ts': '',
      'src/core/contract/program-main.ts': `import './piece.ts'\nimport '../tested.ts'`,
      'src/core/contract/piece.ts': '',
    }
    expect(places(noOrphans, files)).toEqual([
      'src/core/b-contract.ts:1',
      'src/core/orphan.ts:1',
      'src/core/orphans-child.ts:1',
      'src/core/tested.ts:1',
    ])
  })
})

describe('sizes', () => {
  const statements = (count: number) => 'go()\n'.repeat(count)

  test('a file is measured in lines of code, tests and benchmarks more kindly', () => {
    const files = {
      'src/core/fits.ts': `${statements(400)}\n\n// A comment.\n/*\n * Another.\n */\n`,
      'src/core/too-long.ts': statements(401),
      'src/core/a.test.ts': statements(600),
      'bench/a.ts': statements(601),
    }
    expect(places(filesAreSmall, files)).toEqual(['bench/a.ts:1', 'src/core/too-long.ts:1'])
  })

  test('a function is measured with what is inside it', () => {
    const body = (count: number) => `{\n${statements(count)}// Not code.\n}\n`
    const files = {
      'src/core/a.ts': `function fits() ${body(58)}function tooLong() ${body(59)}`,
      'src/core/b.ts': `class A {\n  method() ${body(59)}}\nconst arrow = () => ${body(59)}`,
      'src/core/c.ts': `function outer() {\nconst inner = () => ${body(40)}${statements(30)}}`,
      'src/core/a.test.ts': `describe('a', () => ${body(99)})`,
    }
    expect(places(functionsAreSmall, files)).toEqual([
      'src/core/a.ts:62',
      'src/core/b.ts:2',
      'src/core/b.ts:65',
      'src/core/c.ts:1',
    ])
  })
})

describe('words', () => {
  test('a note to do something later without an issue is found in comments, not in texts', () => {
    const files = {
      'src/core/a.ts': `const s = 'TODO'\n/**\n * FIXME: later\n */\n// TODO(#12): known`,
      'src/cli/page.css': 'a {}\n/* XXX */',
      'scripts/a.sh': '# TODO: this',
    }
    expect(places(putOffWorkHasAnIssue, files)).toEqual([
      'src/core/a.ts:3',
      'scripts/a.sh:1',
      'src/cli/page.css:2',
    ])
  })

  test.each([
    'src/core/leastConnections.ts',
    'src/core/Pool.ts',
    'src/core/utils.ts',
    'src/core/helpers/a.ts',
    'src/core/types.ts',
    'src/core/index.ts',
    'test/my_test.ts',
  ])('%s is not a name', (file) => {
    expect(places(namesSayWhatIsInside, { [file]: '' })).toEqual([`${file}:1`])
  })

  test.each([
    'src/index.ts',
    'src/core/least-connections.test.ts',
    'src/http1/head-reader.ts',
    'bench/README.md',
    'examples/fairlead.config.ts',
    'src/cli/demo/page/index.html',
  ])('%s is a name', (file) => {
    expect(places(namesSayWhatIsInside, { [file]: '' })).toEqual([])
  })

  test.each([
    ['a default export', 'src/core/a.ts', 'export default 1', 1],
    ['a star export', 'src/index.ts', `export * from './core/a.ts'`, 1],
    ['a re-export', 'src/core/a.ts', `export { b } from './b.ts'`, 1],
    ['an enum', 'src/core/a.ts', 'export enum A { B }', 1],
    ['a config file’s default export', 'vitest.config.ts', 'export default {}', 0],
    ['a named re-export by the entry', 'src/index.ts', `export { a } from './core/a.ts'`, 0],
  ])('%s in %s', (_, file, text, findings) => {
    expect(places(exportsAreExplicit, { [file]: text })).toHaveLength(findings)
  })

  test('paths and registries of one machine are found', () => {
    const files = {
      'docs/a.md': `see ${['', 'home', 'ann', 'fairlead'].join('/')}\nand ~/fairlead`,
      'bench/a.ts': `const folder = '${['', 'root', 'x'].join('/')}'`,
      '.npmrc': `registry=https://${['registry', 'example', 'com'].join('.')}/`,
      'src/core/a.ts': `const path = '/var/home/x' + 'network/work/y'`,
    }
    expect(places(namesNoMachine, files)).toEqual(['.npmrc:1', 'bench/a.ts:1', 'docs/a.md:1'])
  })

  test('a download address in the lockfile is found', () => {
    const files = { 'package-lock.json': '{\n"resolved": "x"\n}' }
    expect(places(lockfileHasNoAddresses, files)).toEqual(['package-lock.json:2'])
  })

  test('an optional package without an entry in the lockfile is found', () => {
    const packages = {
      'node_modules/a': {
        optionalDependencies: { 'a-linux': '1.0.0', 'a-darwin': '1.0.0', 'a-aix': '1.0.0' },
      },
      'node_modules/a-linux': {},
      'node_modules/a/node_modules/a-darwin': {},
    }
    const findings = lockfileIsComplete(Tree.of({ 'package-lock.json': JSON.stringify({ packages }) }))
    expect(findings.map(({ message }) => message)).toEqual([
      'node_modules/a may install a-aix, which has no entry: run npm run lockfile',
    ])
  })
})

describe('links', () => {
  test('a link to a missing file or heading is found, others are not', () => {
    const files = {
      'README.md': [
        '# Fairlead',
        '[good](docs/guide/a.md#the-second-part) ![picture](docs/gone.png) [folder](docs) [web](https://x.org/y)',
        '[gone](docs/guide/b.md) and [no heading](docs/guide/a.md#the-third-part)',
        '```md',
        '[inside code](nowhere.md)',
        '```',
        'also `[inline](nowhere.md)` and [here](#fairlead)',
      ].join('\n'),
      'docs/guide/a.md': '## The *second* part\n[up](../../README.md)',
    }
    expect(places(linksResolve, files)).toEqual(['README.md:2', 'README.md:3', 'README.md:3'])
  })

  test('a page that nothing but itself links to is found', () => {
    const files = {
      'README.md': '[a](docs/a.md)',
      'docs/a.md': '[b](guide/b.md#top)',
      'docs/guide/b.md': '# Top',
      'docs/guide/c.md': '# C\n[c](#c) [c](c.md)',
    }
    expect(places(pagesAreLinked, files)).toEqual(['docs/guide/c.md:1'])
  })
})

test('a file that cannot be parsed is named', () => {
  expect(() => parseSourceFile('src/core/a.ts', 'const = 1')).toThrow('src/core/a.ts')
})
