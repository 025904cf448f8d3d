import { resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, test } from 'vitest'
import { noCycles, noOrphans } from './tidy/graph.ts'
import {
  brokersStayInDrivers,
  coreIsPure,
  importsAreDependencies,
  importsPointDown,
  socketsStayInNet,
} from './tidy/layers.ts'
import { linksResolve, pagesAreLinked } from './tidy/links.ts'
import { filesAreSmall, functionsAreSmall } from './tidy/sizes.ts'
import { Tree } from './tidy/tree.ts'
import {
  exportsAreExplicit,
  lockfileHasNoAddresses,
  lockfileIsComplete,
  namesNoMachine,
  namesSayWhatIsInside,
  putOffWorkHasAnIssue,
} from './tidy/words.ts'

/** What a machine can check of STYLE.md and DESIGN.md; `tidy/rules.test.ts` proves that each rule bites. */
describe('the repository is tidy', () => {
  const tree = Tree.read(resolve(fileURLToPath(import.meta.url), '../..'))

  test.each([
    ['imports point down the layers', importsPointDown],
    ['only drivers import broker clients', brokersStayInDrivers],
    ['the core is pure', coreIsPure],
    ['only src/net opens sockets below the command', socketsStayInNet],
    ['the product imports only what is installed with it', importsAreDependencies],
    ['there are no import cycles', noCycles],
    ['every file of src is in use', noOrphans],
    ['files are small', filesAreSmall],
    ['functions are small', functionsAreSmall],
    ['work that is put off names its issue', putOffWorkHasAnIssue],
    ['names are kebab-case and say what is inside', namesSayWhatIsInside],
    ['exports are explicit', exportsAreExplicit],
    ['nothing names a path or registry of one machine', namesNoMachine],
    ['the lockfile has no download addresses', lockfileHasNoAddresses],
    ['the lockfile names every optional package', lockfileIsComplete],
    ['links lead somewhere', linksResolve],
    ['every page of docs is linked', pagesAreLinked],
  ] as const)('%s', (_, rule) => {
    expect(rule(tree).map(({ file, line, message }) => `${file}:${line} ${message}`)).toEqual([])
  })
})
