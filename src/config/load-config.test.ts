import { execFileSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import { FairleadError } from '../core/errors.ts'
import { findConfig, loadConfig, reloadConfig } from './load-config.ts'

const folder = mkdtempSync(join(tmpdir(), 'fairlead-config-'))
afterAll(() => rmSync(folder, { recursive: true }))

const smallest = `listen: [{ port: 8080 }]
pools: { chat: { policy: round-robin, backends: [127.0.0.1:3001, { address: 127.0.0.1:3002, weight: 2 }] } }
routes: [{ pool: chat }]
`
const smallestObject = `{
  listen: [{ port: 8080 }],
  pools: { chat: { backends: ['127.0.0.1:3001', { address: '127.0.0.1:3002', weight: 2 }] } },
  routes: [{ pool: 'chat' }],
}`

function file(name: string, content: string | Uint8Array): string {
  const path = join(folder, name)
  writeFileSync(path, content)
  return path
}

/** The error of loading a file, with the folder's name taken out of the message. */
async function errorOf(path: string): Promise<{ code: string; message: string }> {
  try {
    await loadConfig(path)
  } catch (error) {
    if (!(error instanceof FairleadError)) throw error
    return { code: error.code, message: error.message.replaceAll(`${folder}/`, '') }
  }
  throw new Error('expected a mistake')
}

describe('every form gives the same config', () => {
  const definition = new URL('./define-config.ts', import.meta.url).href
  test.each([
    ['smallest.yaml', smallest],
    ['crlf.yml', smallest.replaceAll('\n', '\r\n')],
    ['bom.yaml', `\ufeff${smallest}`],
    ['smallest.json', JSON.stringify(new Function(`return ${smallestObject}`)())],
    ['plain.config.mjs', `export default ${smallestObject}`],
    [
      'defined.config.ts',
      `import { defineConfig } from ${JSON.stringify(definition)}
       const port: number = 8080
       export default defineConfig(${smallestObject.replace('8080', 'port')})`,
    ],
    ['awaited.config.mts', `export default await Promise.resolve(${smallestObject})`],
  ])('%s', async (name, content) => {
    const config = await loadConfig(file(name, content))
    expect(config.listen).toEqual([{ port: 8080 }])
    expect(config.pools.chat?.backends.map(({ address, weight }) => [address, weight])).toEqual([
      ['127.0.0.1:3001', 1],
      ['127.0.0.1:3002', 2],
    ])
    expect(config.timeouts.connect).toBe(3000)
  })
})

describe('mistakes', () => {
  test('all are told in the order of the file, each with its line', async () => {
    const { code, message } = await errorOf(
      file(
        'bad.yaml',
        `listen:
  - port: '80'
pools:
  chat:
    backends: [127.0.0.1]
routs: []
timeouts:
  connect: 5
`,
      ),
    )
    expect(code).toBe('CONFIG_INVALID')
    expect(message).toBe(
      [
        'bad.yaml:2:11: listen[0].port: found "80", expected a whole number from 0 to 65535',
        "  2 |   - port: '80'",
        '    |           ^',
        'bad.yaml:5:16: pools.chat.backends[0]: found "127.0.0.1", expected host:port, [ipv6]:port or unix:/path',
        '  5 |     backends: [127.0.0.1]',
        '    |                ^',
        "bad.yaml:6:1: routs: found an unknown key, expected listen, pools, routes, trustedProxies, admission, timeouts, limits or log (did you mean 'routes'?)",
        '  6 | routs: []',
        '    | ^',
        "bad.yaml:8:12: timeouts.connect: found 5, expected a duration with its unit, such as '250ms', '5s' or '2m', above 0 and at most '24d'",
        '  8 |   connect: 5',
        '    |            ^',
      ].join('\n'),
    )
  })

  test('a mistake in JSON has its line too', async () => {
    const { message } = await errorOf(file('bad.json', '{\n\t"listen": [{ "port": "80" }]\n}'))
    expect(message).toContain('bad.json:2:23: listen[0].port: found "80"')
  })

  test('a mistake in a module names file and field', async () => {
    const { message } = await errorOf(file('bad.config.mjs', 'export default { listen: [{ prot: 1 }] }'))
    expect(message.split('\n')[0]).toBe(
      "bad.config.mjs: listen[0].prot: found an unknown key, expected port or host (did you mean 'port'?)",
    )
  })

  test.each([
    ['empty.yaml', '', 'empty.yaml:', 'found nothing'],
    ['binary.yaml', new Uint8Array([0xff, 0xfe, 0x00]), 'binary.yaml: found bytes that are not UTF-8'],
    ['large.yaml', 'x'.repeat(1024 * 1024 + 1), 'large.yaml: found more than 1 MiB'],
    ['syntax.yaml', 'a: [', 'syntax.yaml:1:', "found no ']'"],
    ['throws.config.ts', '\nconst x: string = JSON.parse("no")\nexport default x', 'throws.config.ts:2:'],
    ['nothing.config.mjs', 'export const a = 1', 'found no default export'],
    [
      'stranger.config.mjs',
      "import { x } from 'fairlead-does-not-exist'\nexport default x",
      'stranger.config.mjs',
      'fairlead-does-not-exist',
    ],
    ['function.config.mjs', 'export default () => ({})', 'found a function, expected a map'],
  ])('%s', async (name, content, ...expected) => {
    const { code, message } = await errorOf(file(name, content))
    expect(code).toBe('CONFIG_INVALID')
    for (const part of expected) expect(message).toContain(part)
    expect(message).not.toMatch(/\n {4}at /)
  })

  test.each([
    ['missing.yaml', 'missing.yaml: no such file'],
    ['missing.config.ts', 'missing.config.ts: no such file'],
    ['.', 'is a directory, expected a file'],
  ])('%s cannot be read', async (name, expected) => {
    const { code, message } = await errorOf(join(folder, name))
    expect(code).toBe('CONFIG_NOT_FOUND')
    expect(message).toContain(expected)
  })
})

const hidden = 'correct-horse-battery'

describe('a slip beside a secret does not show it', () => {
  const block = (line: string) => `listen: [{ port: 1 }]
pools:
  chat:
    policy:
      sticky:
        ${line}
    backends: [127.0.0.1:1]
routes: [{ pool: chat }]
`
  const flow = (pool: string) =>
    `listen: [{ port: 1 }]\npools:\n  chat: { backends: ['127.0.0.1:1'], ${pool} }\nroutes: [{ pool: chat }]\n`
  test.each([
    ['a second colon', block(`secret: a: ${hidden}`)],
    ['an alias that is none', block(`secret: *${hidden}`)],
    ['a tag that is none', block(`secret: !${hidden}`)],
    ['a reserved character', block(`secret: '@${hidden}' x`)],
    ['a quote within', block(`secret: "x"${hidden}`)],
    ['the line below its key', block(`secret:\n          '@${hidden}' x`)],
    ['a key that stands twice', block(`secret: abc\n        secret: ${hidden}`)],
    ['a typo on its line', flow(`policy: { sticky: { secret: ${hidden}, cokie: x } }`)],
    ['another value on its line', flow(`policy: { sticky: { cookie: 3, "secret": ${hidden} } }`)],
    ['the header of a probe', flow(`health: { http: { path: x, headers: { x-login: ${hidden} } } }`)],
    ['a password in a URL', flow(`backends: ['http://admin:${hidden}@a']`)],
  ])('%s', async (_, content) => {
    const { code, message } = await errorOf(file('secret.yaml', content))
    expect(code).toBe('CONFIG_INVALID')
    expect(message).toMatch(/^secret\.yaml:\d+:\d+: /)
    expect(message).not.toContain('correct')
    expect(message).not.toContain('horse')
  })
})

test.each([
  [
    'later',
    "Promise.reject(new Error('too late'))\nawait new Promise((r) => setTimeout(r, 500))",
    'too late',
  ],
  ['never', 'await new Promise(() => {})', "it waits for something that never comes ('await')"],
])('a module that fails %s says so, as a mistake in that file', async (name, content, expected) => {
  const path = file(`${name}.config.mjs`, `${content}\nexport default {}`)
  const error = await reloadConfig(path).catch((thrown: unknown) => thrown)
  expect(error).toMatchObject({ code: 'CONFIG_INVALID' })
  expect((error as Error).message).toContain(`${path}: `)
  expect((error as Error).message).toContain(expected)
})

test('a pipe is read once: another time says so instead of waiting for ever', async () => {
  const pipe = join(folder, 'pipe.yaml')
  execFileSync('mkfifo', [pipe])
  const error = await reloadConfig(pipe).catch((thrown: unknown) => thrown)
  expect(error).toMatchObject({ code: 'CONFIG_INVALID' })
  expect((error as Error).message).toContain('found a pipe or a device, which is read once at the start')
})

describe('findConfig', () => {
  test('YAML comes before modules', async () => {
    const here = join(folder, 'both')
    mkdirSync(here)
    writeFileSync(join(here, 'fairlead.config.ts'), '')
    expect(await findConfig(here)).toBe('fairlead.config.ts')
    writeFileSync(join(here, 'fairlead.yaml'), '')
    expect(await findConfig(here)).toBe('fairlead.yaml')
  })

  test('a folder without any says what was looked for', async () => {
    const here = join(folder, 'none')
    mkdirSync(here)
    const error = await findConfig(here).catch((thrown: unknown) => thrown)
    expect(error).toMatchObject({ code: 'CONFIG_NOT_FOUND' })
    expect((error as Error).message).toContain('looked for fairlead.yaml')
  })
})
