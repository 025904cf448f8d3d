import { type Finding, isTest, productCode, type Rule, type Tree } from './tree.ts'

/**
 * The layers of DESIGN.md §3, top first. Imports point down; what stands on one line never imports each other.
 * `entries` are the files directly in src: what the package exports. Each folder in `drivers` stands alone.
 */
export const layers: readonly (readonly string[])[] = [
  ['entries'],
  ['cli'],
  ['admin', 'config', 'middleware', 'testing'],
  ['drivers'],
  ['gateway', 'hub'],
  ['protocol'],
  ['websocket', 'http1'],
  ['core', 'net'],
]

/** Imports inside src point down the layers. */
export const importsPointDown: Rule = (tree) =>
  productImports(tree).flatMap(({ file, line, specifier }) => {
    const target = tree.resolve(file, specifier)
    if (target === null) return []
    if (!target.startsWith('src/')) return outside(file, line, target)
    const [from, to] = [unitOf(file), unitOf(target)]
    if (from === to) return []
    const [above, below] = [rankOf(from), rankOf(to)]
    if (above < below && above !== -1) return []
    const why =
      above === -1 || below === -1
        ? `${above === -1 ? from : to} is not in the table of layers`
        : above === below
          ? `${from} and ${to} are neighbours and never import each other`
          : `${to} is above ${from}`
    const help = 'move what both need down, or pass it in (DESIGN.md §3, test/tidy/layers.ts)'
    return [{ file, line, message: `imports ${target}, but ${why}: ${help}` }]
  })

function outside(file: string, line: number, target: string): Finding[] {
  if (isTest(file)) return []
  return [{ file, line, message: `imports ${target}: the product imports nothing from outside src` }]
}

const brokerClients = /^(redis|@redis\/|ioredis|iovalkey|nats$|@nats-io\/|etcd3$|amqplib|kafkajs|mqtt)/

/** Only drivers know a broker's client. */
export const brokersStayInDrivers: Rule = (tree) =>
  productImports(tree)
    .filter(
      ({ file, specifier }) => brokerClients.test(specifier) && unitOf(file).split('/')[0] !== 'drivers',
    )
    .map(({ file, line, specifier }) => ({
      file,
      line,
      message: `imports the broker client ${specifier}: only src/drivers does; define a port and let a driver implement it`,
    }))

const timers = new Set(['setTimeout', 'setInterval', 'setImmediate'])

/** The core decides and does nothing else: no node:*, no timers. */
export const coreIsPure: Rule = (tree) => {
  const imports = productImports(tree).filter(({ file }) => unitOf(file) === 'core' && !isTest(file))
  const modules = imports
    .filter(({ specifier }) => /^(node:|bun$|bun:)/.test(specifier))
    .map(({ file, line, specifier }) => ({
      file,
      line,
      message: `imports ${specifier}: src/core runs anywhere; take values or functions as arguments`,
    }))
  const calls = tree
    .paths(/^src\/core\/.*\.ts$/)
    .filter((file) => !isTest(file))
    .flatMap((file) => tree.source(file).calls.map((call) => ({ file, ...call })))
    .filter(({ text }) => timers.has(text))
    .map(({ file, line, text }) => ({
      file,
      line,
      message: `calls ${text}: src/core has no timers; the caller has`,
    }))
  return [...modules, ...calls]
}

const inputOutput = /^node:(net|tls|http|https|http2|dgram|fs|fs\/promises|dns|dns\/promises|child_process)$/
const sockets = /^node:(net|tls|http|https|http2|dgram)$/

/** Codecs and the protocol do no I/O; the gateway reaches the network only through the socket port. */
export const socketsStayInNet: Rule = (tree) =>
  productImports(tree)
    .filter(({ file }) => !isTest(file))
    .filter(({ file, specifier }) => {
      const unit = unitOf(file)
      if (unit === 'gateway') return sockets.test(specifier)
      return ['protocol', 'websocket', 'http1'].includes(unit) && inputOutput.test(specifier)
    })
    .map(({ file, line, specifier }) => ({
      file,
      line,
      message: `imports ${specifier}: use the socket port (src/net), or take bytes and values as arguments`,
    }))

/** What the published product imports must be installed with it. */
export const importsAreDependencies: Rule = (tree) => {
  const { dependencies, peerDependencies } = JSON.parse(tree.text('package.json')) as {
    dependencies?: Record<string, string>
    peerDependencies?: Record<string, string>
  }
  const installed = { ...dependencies, ...peerDependencies }
  return productImports(tree)
    .filter(({ file, typeOnly }) => !isTest(file) && !typeOnly)
    .map((found) => ({ ...found, name: packageOf(found.specifier) }))
    .filter(({ name }) => name !== null && !(name in installed))
    .map(({ file, line, name }) => ({
      file,
      line,
      message: `imports ${name}, which is not among the "dependencies" or "peerDependencies" of package.json (shared test code is named *-contract.ts or stands in a folder contract/)`,
    }))
}

function packageOf(specifier: string): string | null {
  if (/^(\.|node:|bun$|bun:)/.test(specifier)) return null
  return specifier
    .split('/')
    .slice(0, specifier.startsWith('@') ? 2 : 1)
    .join('/')
}

function productImports(tree: Tree) {
  return tree
    .paths(productCode)
    .flatMap((file) => tree.source(file).imports.map((imported) => ({ file, ...imported })))
}

/** `gateway` for src/gateway/pool.ts, `drivers/redis` for a driver, `entries` for src/index.ts. */
function unitOf(path: string): string {
  const [, first, second, third] = path.split('/') as [string, string, string?, string?]
  if (second === undefined) return 'entries'
  return first === 'drivers' && third !== undefined ? `drivers/${second}` : first
}

function rankOf(unit: string): number {
  return layers.findIndex((layer) => layer.includes(unit.split('/')[0] as string))
}
