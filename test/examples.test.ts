import { once } from 'node:events'
import { afterEach, describe, expect, test } from 'vitest'
import { WebSocket } from 'ws'
import { example, killPrograms, run } from './support/example.ts'

// The examples as a reader runs them, on the runtime that runs this test: `npm test` runs it on Node and Bun. Those of
// the hub are in test/hub/examples.test.ts.

afterEach(killPrograms)

async function echo(port: string, text: string): Promise<string> {
  const socket = new WebSocket(`ws://127.0.0.1:${port}`)
  await once(socket, 'open')
  socket.send(text)
  const [answer] = await once(socket, 'message')
  socket.close()
  await once(socket, 'close')
  return String(answer)
}

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
      const program = run(['src/cli/main.ts', 'check', '-c', `examples/${file}`])
      expect([await program.ended, program.said()]).toEqual([0, ''])
    },
    20_000,
  )
})
