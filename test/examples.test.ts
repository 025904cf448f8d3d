import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { afterEach, describe, expect, test } from 'vitest'
import { WebSocket } from 'ws'

// The examples as a reader runs them, on the runtime that runs this test: `npm test` runs it on Node and Bun.

const root = fileURLToPath(new URL('..', import.meta.url))
const started: ChildProcess[] = []

afterEach(() => {
  for (const child of started.splice(0)) if (child.exitCode === null) child.kill('SIGKILL')
})

interface Program {
  readonly process: ChildProcess
  /** Everything on standard error so far: examples talk there, the log goes to standard output. */
  said(): string
  readonly ended: Promise<number | null>
}

function run(...args: string[]): Program {
  const child = spawn(process.execPath, args, { cwd: root, stdio: ['ignore', 'ignore', 'pipe'] })
  started.push(child)
  let said = ''
  child.stderr?.setEncoding('utf8').on('data', (text: string) => {
    said += text
  })
  return { process: child, said: () => said, ended: once(child, 'close').then(([code]) => code) }
}

/** Starts an example on a free port and waits until it says where it listens. */
async function example(file: string): Promise<Program & { port: string }> {
  const program = run(`examples/${file}`, '0')
  for (;;) {
    const port = /(?:ws|http):\/\/127\.0\.0\.1:(\d+)\S* .*Ctrl-C/.exec(program.said())?.[1]
    if (port !== undefined) return { ...program, port }
    const gone = program.ended.then(() => 'gone')
    const more = once(program.process.stderr as NonNullable<typeof program.process.stderr>, 'data')
    if ((await Promise.race([gone, more])) === 'gone') throw new Error(`${file} ended:\n${program.said()}`)
  }
}

async function echo(port: string, text: string): Promise<string> {
  const socket = new WebSocket(`ws://127.0.0.1:${port}`)
  await once(socket, 'open')
  socket.send(text)
  const [answer] = await once(socket, 'message')
  socket.close()
  await once(socket, 'close')
  return String(answer)
}

/** A client of an example of the hub, with what it got. */
async function client(port: string, query: string) {
  const socket = new WebSocket(`ws://127.0.0.1:${port}/?${query}`)
  const got: string[] = []
  socket.on('message', (data) => got.push(String(data)))
  await once(socket, 'open')
  return {
    got,
    say: (text: string) => socket.send(text),
    async hears(text: string) {
      while (!got.some((line) => line.includes(text))) await once(socket, 'message')
    },
    async leave() {
      socket.close()
      await once(socket, 'close')
    },
  }
}

describe('the examples of the hub', () => {
  test('echo', async () => {
    const program = await example('hub/echo.ts')
    expect(await echo(program.port, 'hello')).toBe('hello')
    program.process.kill('SIGINT')
    expect(await program.ended).toBe(0)
  }, 20_000)

  test('chat gives who comes back what was said meanwhile', async () => {
    const program = await example('hub/chat.ts')
    const ann = await client(program.port, 'user=ann')
    const bob = await client(program.port, 'user=bob')
    ann.say('one')
    await Promise.all([ann.hears('ann: one'), bob.hears('ann: one')])
    const { epoch, offset } = JSON.parse(bob.got[0] as string)
    await bob.leave()
    ann.say('two')
    ann.say('three')
    await ann.hears('three')
    const back = await client(program.port, `user=bob&epoch=${epoch}&offset=${offset}`)
    await back.hears('three')
    expect(back.got.map((line) => JSON.parse(line).text)).toEqual(['ann: two', 'ann: three'])
    const late = await client(program.port, 'user=eve&epoch=other&offset=7')
    await late.hears('gone')
    program.process.kill('SIGINT')
    expect(await program.ended).toBe(0)
  }, 20_000)

  test('notifications reach every device of a user', async () => {
    const program = await example('hub/notifications.ts')
    const devices = [await client(program.port, 'user=ann'), await client(program.port, 'user=ann')]
    const bob = await client(program.port, 'user=bob')
    bob.say('ann dinner is ready')
    await bob.hears('ann has 2 devices')
    for (const device of devices) await device.hears('bob: dinner is ready')
    bob.say('nonsense')
    await bob.hears('expected')
    program.process.kill('SIGINT')
    expect(await program.ended).toBe(0)
  }, 20_000)

  test('presence tells who came and who went, each once', async () => {
    const program = await example('hub/presence.ts')
    const ann = await client(program.port, 'user=ann')
    await ann.hears('here: ann')
    const bob = await client(program.port, 'user=bob')
    await bob.hears('here: ann, bob')
    await ann.hears('bob came')
    await bob.leave()
    const again = await client(program.port, 'user=bob')
    await again.hears('here: ann, bob')
    await again.leave()
    await ann.hears('bob went')
    expect(ann.got.filter((line) => line.startsWith('bob'))).toEqual(['bob came', 'bob went'])
    program.process.kill('SIGINT')
    expect(await program.ended).toBe(0)
  }, 20_000)
})

describe('the examples', () => {
  test('echo-round-robin spreads connections over three servers in turn and ends on Ctrl-C', async () => {
    const program = await example('echo-round-robin.ts')
    const answers: string[] = []
    for (let i = 0; i < 6; i += 1) answers.push(await echo(program.port, 'hello'))
    const firstRound = answers.slice(0, 3)
    expect([...firstRound].sort()).toEqual(['one: hello', 'three: hello', 'two: hello'])
    expect(answers.slice(3)).toEqual(firstRound)

    program.process.kill('SIGINT')
    expect(await program.ended).toBe(0)
    expect(program.said().match(/had 2 connections/g)).toHaveLength(3)
  }, 20_000)

  test('echo-round-robin says goodbye to its clients on Ctrl-C', async () => {
    const program = await example('echo-round-robin.ts')
    const socket = new WebSocket(`ws://127.0.0.1:${program.port}`)
    await once(socket, 'open')
    program.process.kill('SIGINT')
    const [code] = await once(socket, 'close')
    expect(code).toBe(1001)
    expect(await program.ended).toBe(0)
  }, 20_000)

  test('http-balancer gives the heavy service every second request and ends on Ctrl-C', async () => {
    const program = await example('http-balancer.ts')
    const count: Record<string, number> = {}
    for (let i = 0; i < 8; i += 1) {
      const answer = await (await fetch(`http://127.0.0.1:${program.port}/hello?n=${i}`)).text()
      const [name = ''] = answer.split(' ')
      expect(answer).toBe(`${name} answers GET /hello?n=${i} for 127.0.0.1\n`)
      count[name] = (count[name] ?? 0) + 1
    }
    expect(count).toEqual({ large: 4, small: 2, tiny: 2 })

    program.process.kill('SIGINT')
    expect(await program.ended).toBe(0)
    expect(program.said()).toContain('had 4 requests')
  }, 20_000)

  test.each(['fairlead.yaml', 'fairlead.config.ts'])(
    '%s is a valid config',
    async (file) => {
      const program = run('src/cli/main.ts', 'check', '-c', `examples/${file}`)
      expect([await program.ended, program.said()]).toEqual([0, ''])
    },
    20_000,
  )
})
