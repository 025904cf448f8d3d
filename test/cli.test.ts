import { once } from 'node:events'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer, type Server } from 'node:http'
import { type AddressInfo, createServer as createTcpServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { WebSocket, WebSocketServer } from 'ws'
import { commandsIn } from './support/command.ts'

// The command as users start it, on the runtime that runs this test: `npm test` runs it on Node and on Bun.

const folder = mkdtempSync(join(tmpdir(), 'fairlead-cli-'))
const runtime = process.versions.bun ? `Bun ${process.versions.bun}` : `Node ${process.versions.node}`
const patience = 20_000

const { fairlead, stopAll } = commandsIn(folder)

/** Runs a command to its end. */
async function run(...args: string[]): Promise<{ code: number | null; stdout: string; stderr: string }> {
  const command = fairlead(args)
  const code = await command.ended
  return { code, stdout: command.stdout, stderr: command.stderr }
}

function file(name: string, content: string): string {
  writeFileSync(join(folder, name), content)
  return name
}

let backend: Server
let backendAddress: string

beforeAll(async () => {
  backend = createServer((request, response) => {
    if (request.url === '/never') return
    response.end(`you asked for ${request.url}`)
  })
  const sockets = new WebSocketServer({ server: backend })
  sockets.on('connection', (socket) => socket.on('message', (data) => socket.send(`echo ${data}`)))
  backend.listen(0, '127.0.0.1')
  await once(backend, 'listening')
  backendAddress = `127.0.0.1:${(backend.address() as AddressInfo).port}`
})

afterEach(stopAll)

afterAll(async () => {
  backend.closeAllConnections()
  backend.close()
  rmSync(folder, { recursive: true })
})

const goodConfig = () => `listen: [{ host: 127.0.0.1, port: 0 }]
pools: { chat: { backends: ['${backendAddress}'] } }
routes: [{ pool: chat }]
`

describe('what answers and ends', () => {
  test(
    '--version prints the version of the package',
    async () => {
      const { version } = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8'))
      expect(await run('--version')).toEqual({ code: 0, stdout: `${version}\n`, stderr: '' })
    },
    patience,
  )

  test(
    '--help names every command and shows examples',
    async () => {
      const { code, stdout } = await run('--help')
      expect(code).toBe(0)
      for (const word of ['proxy', 'run', 'check', 'schema', 'demo', 'Examples:']) {
        expect(stdout).toContain(word)
      }
    },
    patience,
  )

  test(
    'check says what a valid file holds',
    async () => {
      const { code, stdout } = await run('check', '-c', file('good.yaml', goodConfig()))
      expect(code).toBe(0)
      expect(stdout).toBe('good.yaml is valid: 1 listener, 1 pool (1 backend), 1 route\n')
    },
    patience,
  )

  test(
    'schema prints a JSON Schema',
    async () => {
      const { code, stdout } = await run('schema')
      expect(code).toBe(0)
      expect(JSON.parse(stdout).required).toEqual(['listen', 'pools', 'routes'])
    },
    patience,
  )
})

describe("the user's mistakes end with code 1, plain words and nothing opened", () => {
  const bad = () =>
    file(
      'bad.yaml',
      `listen: [{ host: 127.0.0.1, port: 0 }]
pools:
  chat:
    backends: [127.0.0.1]
routes: [{ pool: chat }]
`,
    )

  test.each([
    ['check', ['check', '-c', 'bad.yaml']],
    ['run', ['run', '--config', 'bad.yaml']],
  ])(
    '%s of a bad file names line, column, field, what was found and what is allowed',
    async (_, args) => {
      bad()
      const { code, stdout, stderr } = await run(...args)
      expect(code).toBe(1)
      expect(stdout).toBe('')
      expect(stderr).toBe(
        [
          'bad.yaml:4:16: pools.chat.backends[0]: found "127.0.0.1", expected host:port, [ipv6]:port or unix:/path',
          '  4 |     backends: [127.0.0.1]',
          '    |                ^\n',
        ].join('\n'),
      )
    },
    patience,
  )

  test(
    'a syntax mistake in a module names line and column',
    async () => {
      const { code, stderr } = await run(
        'check',
        '-c',
        file('syntax.config.ts', 'export default {\n  a: [ }\n'),
      )
      expect(code).toBe(1)
      expect(stderr).toMatch(/^syntax\.config\.ts:2:8: .+\n$/)
    },
    patience,
  )

  test(
    'a module in a CommonJS folder runs on Bun; Node says how to name it',
    async () => {
      mkdirSync(join(folder, 'commonjs'))
      file('commonjs/package.json', '{ "type": "commonjs" }')
      const content = "import 'node:fs'\nexport default { listen: [{ port: 0 }], pools: {}, routes: [] }"
      const { code, stderr } = await run('check', '-c', file('commonjs/fairlead.config.ts', content))
      expect(code).toBe(1)
      expect(stderr).toContain(
        process.versions.bun ? 'pools: found an empty map' : 'name the file .mts or .mjs',
      )
    },
    patience,
  )

  test.each([
    ['a file that is not there', ['run', '-c', 'missing.yaml'], 'missing.yaml: no such file\n'],
    ['no listener', ['proxy', '--to', '1'], '--listen: found nothing, expected where to accept'],
    ['no server', ['proxy', '--listen', '0'], '--to: found nothing, expected a server'],
    ['a mistyped flag instead of a needed one', ['proxy', '--lisen', '0'], 'Did you mean --listen?'],
    [
      'a port that does not exist',
      ['proxy', '--listen', '127.0.0.1:70000', '--to', '1'],
      '--listen: found "127.0.0.1:70000", expected a port from 0 to 65535\n',
    ],
    [
      'a name to listen on',
      ['proxy', '--listen', 'example.com:80', '--to', '1'],
      '--listen: found "example.com:80", expected an IP address of this machine',
    ],
    [
      'a server address that is none',
      ['proxy', '--listen', '0', '--to', 'x'],
      '--to: found "x", expected host:port',
    ],
    ['TLS to a server', ['proxy', '--listen', '0', '--to', 'https://x'], 'expected a backend without TLS'],
    [
      'a policy that does not exist',
      ['proxy', '--listen', '0', '--to', '1', '--policy', 'best'],
      '--policy: found "best", expected auto, round-robin, least-connections, power-of-two, random, peak-ewma or source-ip-hash\n',
    ],
    [
      'a log level that does not exist',
      ['proxy', '--listen', '0', '--to', '1', '--log-level', 'loud'],
      '--log-level: found "loud", expected debug',
    ],
    ['a demo on a name', ['demo', '--host', 'example.com'], 'Expected an IP address'],
    ['a mistyped command', ['proxi'], 'Did you mean proxy?'],
    ['a mistyped flag', ['run', '--confg', 'x'], 'Did you mean --config?'],
  ])(
    '%s',
    async (_, args, expected) => {
      const { code, stdout, stderr } = await run(...args)
      expect(code).toBe(1)
      expect(stdout).toBe('')
      expect(stderr).toContain(expected)
      expect(stderr).not.toContain('    at ')
      expect(stderr).not.toContain('listening on')
    },
    patience,
  )

  test(
    'a busy port is named, with the way to find who has it',
    async () => {
      const holder = createTcpServer().listen(0, '127.0.0.1')
      await once(holder, 'listening')
      const { port } = holder.address() as AddressInfo
      const args = ['proxy', '--listen', '127.0.0.1:0', '--listen', `127.0.0.1:${port}`, '--to', '1']
      const { code, stderr } = await run(...args)
      holder.close()
      expect(code).toBe(1)
      expect(stderr).toContain(`port ${port} (127.0.0.1) is already in use; see who has it: `)
      expect(stderr).not.toContain('    at ')
      expect(stderr).not.toContain('listening on')
    },
    patience,
  )
})

describe('a gateway that serves', () => {
  const proxy = (...more: string[]) =>
    fairlead(['proxy', '--listen', '127.0.0.1:0', '--to', backendAddress, ...more])

  test(
    'proxy says its runtime first, serves requests, logs them on standard output and stops on SIGTERM',
    async () => {
      const command = proxy('--policy', 'round-robin')
      const answer = await fetch(`${await command.url()}/hello?secret=1`)
      expect(await answer.text()).toBe('you asked for /hello?secret=1')
      expect(command.stderr.split('\n')[0]).toMatch(/^fairlead \d+\.\d+\.\d+ on .+ \(pid \d+\)$/)
      expect(command.stderr.split('\n')[0]).toContain(` on ${runtime} (pid ${command.process.pid})`)
      expect(command.stderr).toContain(`pool default, round-robin: ${backendAddress}\n`)
      await command.says(/"event":"request.completed"/, 'stdout')
      command.process.kill('SIGTERM')
      expect(await command.ended).toBe(0)
      const lines = command.stdout
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line))
      expect(lines.map(({ event }) => event)).toEqual([
        'gateway.started',
        'request.completed',
        'gateway.draining',
        'gateway.stopped',
      ])
      expect(lines[0]).toMatchObject({ level: 'info', runtime: runtime.startsWith('Bun') ? 'bun' : 'node' })
      expect(command.stdout).not.toContain('secret')
    },
    patience,
  )

  test(
    'WebSockets go through, and a stop says goodbye with Close 1001',
    async () => {
      const command = proxy()
      const client = new WebSocket((await command.url()).replace('http', 'ws'))
      await once(client, 'open')
      const echoed = once(client, 'message')
      client.send('hello')
      expect(String((await echoed)[0])).toBe('echo hello')
      const closed = once(client, 'close')
      command.process.kill('SIGINT')
      expect((await closed)[0]).toBe(1001)
      expect(await command.ended).toBe(0)
      expect(command.stdout).toContain('"event":"tunnel.closed"')
    },
    patience,
  )

  test(
    'run serves what a config file says',
    async () => {
      const command = fairlead(['run', '-c', file('serve.yaml', goodConfig())])
      expect((await fetch(await command.url())).status).toBe(200)
      command.process.kill('SIGTERM')
      expect(await command.ended).toBe(0)
    },
    patience,
  )

  test(
    'run finds fairlead.config.ts in the current folder',
    async () => {
      const options = `{
        listen: [{ host: '127.0.0.1', port: 0 as number }],
        pools: { chat: { backends: ['${backendAddress}'] } },
        routes: [{ pool: 'chat' }],
      }`
      file('fairlead.config.ts', `export default ${options}`)
      const command = fairlead(['run'])
      expect((await fetch(await command.url())).status).toBe(200)
    },
    patience,
  )

  test(
    'a second signal cuts what does not finish',
    async () => {
      const command = proxy()
      const answer = fetch(`${await command.url()}/never`).then(
        () => 'answered',
        () => 'cut',
      )
      await once(backend, 'request')
      command.process.kill('SIGTERM')
      await command.says(/SIGTERM: finishing/)
      // Signals that come at once are taken for one; so it is asked again until it listens.
      const insist = setInterval(() => command.process.kill('SIGTERM'), 100)
      const code = await command.ended
      clearInterval(insist)
      expect(code).toBe(143)
      expect(await answer).toBe('cut')
    },
    patience,
  )

  test(
    'it serves on when the reader of its log goes away',
    async () => {
      const command = proxy()
      const url = await command.url()
      command.process.stdout?.destroy()
      for (let index = 0; index < 20; index++) expect((await fetch(url)).status).toBe(200)
      command.process.kill('SIGTERM')
      expect(await command.ended).toBe(0)
    },
    patience,
  )

  test(
    'a bug in one place is logged with its stack and ends nothing',
    async () => {
      const seed = file(
        'seeded-bug.mjs',
        "process.on('SIGUSR2', () => { Promise.reject(new Error('second bug')); throw new Error('seeded bug') })",
      )
      const preload = process.versions.bun ? '--preload' : '--import'
      const args = ['proxy', '--listen', '127.0.0.1:0', '--to', backendAddress]
      const command = fairlead(args, [preload, join(folder, seed)])
      const url = await command.url()
      command.process.kill('SIGUSR2')
      await command.says(/"code":"INTERNAL".*seeded bug.*seeded-bug\.mjs/, 'stdout')
      await command.says(/"code":"INTERNAL".*second bug/, 'stdout')
      expect((await fetch(url)).status).toBe(200)
    },
    patience,
  )
})
