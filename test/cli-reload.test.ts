import { mkdirSync, mkdtempSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { WebSocket } from 'ws'
import { type Command, commandsIn } from './support/command.ts'

// A running gateway whose config file changes, on the runtime that runs this test.

const folder = mkdtempSync(join(tmpdir(), 'fairlead-reload-'))
const { fairlead, stopAll } = commandsIn(folder)
const patience = 20_000
const servers: Server[] = []
let one: string
let two: string

async function server(name: string): Promise<string> {
  const started = createServer((_request, response) => response.end(name))
  servers.push(started)
  await new Promise<void>((resolve) => started.listen(0, '127.0.0.1', resolve))
  return `127.0.0.1:${(started.address() as AddressInfo).port}`
}

beforeAll(async () => {
  one = await server('one')
  two = await server('two')
})
afterEach(stopAll)
afterAll(() => {
  for (const started of servers) started.close()
  rmSync(folder, { recursive: true })
})

const yaml = (backend: string) => `# a comment
listen: [{ host: 127.0.0.1, port: 0 }]
pools:
  main: { backends: ['${backend}'] }
routes: [{ pool: main }]
`

function write(name: string, content: string): string {
  writeFileSync(join(folder, name), content)
  return name
}

async function ask(url: string): Promise<string> {
  return (await fetch(url)).text()
}

/** Resolves with what is said about the next reload. */
async function reload(command: Command, change: () => void, expected: RegExp): Promise<string> {
  const before = command.stderr.length
  change()
  await command.says(new RegExp(`^(?:.|\\n){${before}}(?:.|\\n)*${expected.source}`))
  return command.stderr.slice(before)
}

const taken = /taken over: .*\n/
const refused = /stays as it was:\n(?:.|\n)*\n/

describe('fairlead run takes its file over again', () => {
  test(
    'when it is written in place or replaced by another one, and touches nothing when it says the same',
    async () => {
      const file = write('plain.yaml', yaml(one))
      const command = fairlead(['run', '-c', file])
      const url = await command.url()
      const said = await reload(command, () => write('plain.yaml', yaml(two)), taken)
      expect(said).toContain(`plain.yaml changed: the configuration was taken over: pool changed: main;`)
      expect(await ask(url)).toBe('two')
      const replace = () => renameSync(join(folder, write('plain.yaml~', yaml(one))), join(folder, file))
      await reload(command, replace, taken)
      expect(await ask(url)).toBe('one')
      const comment = () => write(file, yaml(one).replace('a comment', 'another one'))
      await reload(command, comment, /says the same, nothing was touched\n/)
      await command.says(/"event":"gateway.reloaded","changed":false/, 'stdout')
    },
    patience,
  )

  test(
    'when the link behind a mounted ConfigMap points elsewhere',
    async () => {
      const mount = (name: string, content: string) => {
        mkdirSync(join(folder, 'map', name), { recursive: true })
        writeFileSync(join(folder, 'map', name, 'fairlead.yaml'), content)
        symlinkSync(name, join(folder, 'map', '..data_tmp'))
        renameSync(join(folder, 'map', '..data_tmp'), join(folder, 'map', '..data'))
      }
      mount('..2026_01', yaml(one))
      symlinkSync('..data/fairlead.yaml', join(folder, 'map', 'fairlead.yaml'))
      const command = fairlead(['run', '-c', 'map/fairlead.yaml'])
      const url = await command.url()
      await reload(command, () => mount('..2026_02', yaml(two)), taken)
      expect(await ask(url)).toBe('two')
    },
    patience,
  )

  test(
    'on SIGHUP alone with --no-watch',
    async () => {
      const file = write('unwatched.yaml', yaml(one))
      const command = fairlead(['run', '--no-watch', '-c', file])
      const url = await command.url()
      write(file, yaml(two))
      // Longer than a change takes to be seen.
      await new Promise((resolve) => setTimeout(resolve, 700))
      expect([command.stderr.includes('taken over'), await ask(url)]).toEqual([false, 'one'])
      await reload(command, () => command.process.kill('SIGHUP'), /SIGHUP: .*taken over/)
      expect(await ask(url)).toBe('two')
    },
    patience,
  )

  test(
    'and says what is wrong with it as check does, with line and column, while the old one stays',
    async () => {
      const file = write('bad.yaml', yaml(one))
      const command = fairlead(['run', '-c', file])
      const url = await command.url()
      const bad = () => write(file, yaml(two).replace('pool: main', 'pool: mian'))
      const said = await reload(command, bad, refused)
      expect(said).toContain(
        'bad.yaml:5:18: routes[0].pool: found "mian", expected the name of a pool (main)',
      )
      await command.says(
        /"level":"error".*"event":"gateway.reload_failed".*"code":"CONFIG_INVALID"/,
        'stdout',
      )
      await reload(command, () => write(file, 'listen: ['), refused)
      rmSync(join(folder, file))
      await reload(command, () => command.process.kill('SIGHUP'), /bad\.yaml: no such file/)
      expect(await ask(url)).toBe('one')
      await reload(command, () => write(file, yaml(two)), taken)
      expect(await ask(url)).toBe('two')
      command.process.kill('SIGTERM')
      expect(await command.ended).toBe(0)
    },
    patience,
  )

  test.each([
    ['config.ts', 'const backend: string = '],
    ['config.mjs', 'const backend = '],
  ])(
    'also when it is a module (%s), with what it imports',
    async (file, start) => {
      const module = (backend: string) => `import { listen } from './part.mjs'
${start}'${backend}'
export default { listen, pools: { main: { backends: [backend] } }, routes: [{ pool: 'main' }] }
`
      const part = (...ports: number[]) =>
        `export const listen = ${JSON.stringify(ports.map((port) => ({ host: '127.0.0.1', port })))}\n`
      write('part.mjs', part(0))
      write(file, module(one))
      const command = fairlead(['run', '-c', file])
      const url = await command.url()
      for (const [backend, name] of [
        [two, 'two'],
        [one, 'one'],
      ] as const) {
        await reload(command, () => write(file, module(backend)), taken)
        expect(await ask(url)).toBe(name)
      }
      write('part.mjs', part(0, 0))
      await reload(command, () => command.process.kill('SIGHUP'), /listener added: 127\.0\.0\.1:0 #2/)
      const broken = () => write(file, 'export default { listen: () => 1 }')
      expect(await reload(command, broken, refused)).toContain(file)
      const leaving = () => write(file, 'process.exit(3)')
      await reload(command, leaving, /it ended the process with code 3/)
      expect(await ask(url)).toBe('one')
    },
    patience,
  )

  test(
    'and the file of a pool that discovers its backends, by itself',
    async () => {
      write('list.yaml', `- '${one}'\n`)
      const found = yaml(one).replace(/backends: .*\]/, 'discover: { file: list.yaml }')
      const command = fairlead(['run', '-c', write('found.yaml', found)])
      const url = await command.url()
      expect(await ask(url)).toBe('one')
      write('list.yaml', `- '${two}'\n`)
      await command.says(/"event":"backend.left"/, 'stdout')
      expect(await ask(url)).toBe('two')
    },
    patience,
  )

  test(
    'without harm to a WebSocket that is open',
    async () => {
      const { WebSocketServer } = await import('ws')
      const sockets = new WebSocketServer({ port: 0, host: '127.0.0.1' })
      sockets.on('connection', (socket) => socket.on('message', (data) => socket.send(`echo ${data}`)))
      await new Promise((resolve) => sockets.once('listening', resolve))
      const backend = `127.0.0.1:${(sockets.address() as AddressInfo).port}`
      const file = write('open.yaml', yaml(backend))
      const command = fairlead(['run', '-c', file])
      const socket = new WebSocket((await command.url()).replace('http', 'ws'))
      await new Promise((resolve, reject) => socket.once('open', resolve).once('error', reject))
      const more = `${yaml(backend)}timeouts: { connect: 1s }\nlog: { level: debug }\n`
      const said = await reload(command, () => write(file, more), taken)
      expect(said).toContain('timeouts changed; log changed')
      const answer = new Promise((resolve) => socket.once('message', (data) => resolve(String(data))))
      socket.send('still here')
      expect(await answer).toBe('echo still here')
      socket.terminate()
      sockets.close()
    },
    patience,
  )
})

test(
  'fairlead proxy has nothing to read again: SIGHUP stops it gently, as SIGTERM does',
  async () => {
    const command = fairlead(['proxy', '--listen', '127.0.0.1:0', '--to', one])
    await command.url()
    await command.says(/gateway\.started/, 'stdout')
    command.process.kill('SIGHUP')
    await command.says(/SIGHUP: finishing live connections/)
    expect(await command.ended).toBe(0)
    expect(command.stdout).toContain('"event":"gateway.stopped","code":0')
  },
  patience,
)
