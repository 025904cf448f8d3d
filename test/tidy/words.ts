import { code, type Finding, productCode, type Rule, type Tree } from './tree.ts'

const marker = /\b(TODO|FIXME|XXX|HACK)\b(?!\(#\d+\))/
const otherText = /\.(css|html|sh|ya?ml)$|^\.ci\//

/** Work that is put off has an issue, or it is forgotten. */
export const putOffWorkHasAnIssue: Rule = (tree) => {
  const message = 'put-off work names its issue, as in "TODO(#12)": open one, or do the work'
  const inComments = tree
    .paths(code)
    .flatMap((file) =>
      tree
        .source(file)
        .comments.flatMap(({ text, line }) =>
          text
            .split('\n')
            .flatMap((part, index) => (marker.test(part) ? [{ file, line: line + index, message }] : [])),
        ),
    )
  const elsewhere = tree.paths(otherText).flatMap((file) => grep(tree, file, marker, message))
  return [...inComments, ...elsewhere]
}

const fileName = /^\.?[a-z0-9]+(-[a-z0-9]+)*(\.(test|config))?\.[a-z0-9]+$/
const folderName = /^[a-z0-9]+(-[a-z0-9]+)*$/
const dumps = /^(utils?|helpers?|types?|common|misc|shared|stuff|lib)$/

/** Names are kebab-case and say what is inside. */
export const namesSayWhatIsInside: Rule = (tree) =>
  tree.paths(/^(src|test|bench|examples|scripts)\//).flatMap((file) => {
    const parts = file.split('/')
    const name = parts.pop() as string
    const stem = name.replace(/\..*$/, '')
    const dump = [...parts, stem].find((part) => dumps.test(part))
    const complaints: string[] = []
    if (!(fileName.test(name) || name === 'README.md') || !parts.every((part) => folderName.test(part))) {
      complaints.push('is not kebab-case: rename it')
    }
    if (dump !== undefined) complaints.push(`"${dump}" says nothing: name it after what is inside`)
    if (/^index\.(ts|mjs)$/.test(name) && file !== 'src/index.ts') {
      complaints.push('is a barrel by name: name it after what is inside')
    }
    return complaints.map((message) => ({ file, line: 1, message }))
  })

/** No default exports, no `export *`, no enums; only what package.json exports re-exports. */
export const exportsAreExplicit: Rule = (tree) =>
  tree.paths(code).flatMap((file) => {
    const { defaultExport, imports, enums } = tree.source(file)
    const findings: Finding[] = []
    if (defaultExport !== null && !file.endsWith('.config.ts')) {
      findings.push({ file, line: defaultExport, message: 'has a default export: export it by name' })
    }
    for (const { line, reExport, specifier } of imports) {
      if (reExport === 'star')
        findings.push({ file, line, message: `exports * from ${specifier}: export names` })
      if (reExport === 'named' && productCode.test(file) && file.split('/').length > 2) {
        findings.push({
          file,
          line,
          message: `re-exports from ${specifier}: let users import it from where it is`,
        })
      }
    }
    for (const { line, text } of enums) {
      findings.push({ file, line, message: `declares enum ${text}: use a union of strings` })
    }
    return findings
  })

// Written so that they do not match themselves.
const machinePath = /(^|[\s"'`(=:])\/(?:work|root|home\/[a-z][\w-]*)\//
const registryHost = /\bregistry\.[a-z0-9-]+(\.[a-z0-9-]+)*\.(?:com|org|net|io|dev|internal|local)\b/

/** What is committed works on every machine. */
export const namesNoMachine: Rule = (tree) =>
  tree
    .paths()
    .flatMap((file) => [
      ...grep(tree, file, machinePath, 'names a path of one machine: use a relative one'),
      ...grep(
        tree,
        file,
        registryHost,
        'names a registry: which one is used is the business of each machine',
      ),
    ])

/** The lockfile says what, not where from: every machine has its own registry. */
export const lockfileHasNoAddresses: Rule = (tree) =>
  grep(
    tree,
    'package-lock.json',
    /"resolved":/,
    'has a download address: .npmrc has omit-lockfile-registry-resolved, so install with npm from this folder',
  )

/** An optional package that the lockfile leaves out makes `npm ci` refuse it, on every machine. */
export const lockfileIsComplete: Rule = (tree) => {
  const { packages } = JSON.parse(tree.text('package-lock.json')) as {
    packages: Record<string, { optionalDependencies?: Record<string, string> }>
  }
  return Object.entries(packages).flatMap(([parent, { optionalDependencies = {} }]) =>
    Object.keys(optionalDependencies)
      .filter((name) => !(`node_modules/${name}` in packages || `${parent}/node_modules/${name}` in packages))
      .map((name) => ({
        file: 'package-lock.json',
        line: 1,
        message: `${parent} may install ${name}, which has no entry: run npm run lockfile`,
      })),
  )
}

function grep(tree: Tree, file: string, pattern: RegExp, message: string): Finding[] {
  return tree
    .lines(file)
    .flatMap((text, index) => (pattern.test(text) ? [{ file, line: index + 1, message }] : []))
}
