import { connect, createServer, type Server } from 'node:net'
import { afterEach, describe, expect, test } from 'vitest'
import { parseOptions } from '../../src/gateway/parse-options.ts'
import { EchoServer } from '../gateway/support/echo-server.ts'
import { Stage } from '../gateway/support/stage.ts'
import { Talker } from '../gateway/support/talker.ts'

const stage = new Stage()
afterEach(() => stage.close())

/** Something between client and gateway that cuts what is idle for so many milliseconds, as cloud balancers do. */
async function impatientBox(to: number, idle: number): Promise<number> {
  const server: Server = createServer((near) => {
    const far = connect(to, '127.0.0.1')
    const cut = () => {
      near.destroy()
      far.destroy()
    }
    let timer = setTimeout(cut, idle)
    for (const [from, into] of [
      [near, far],
      [far, near],
    ] as const) {
      from.on('data', (chunk) => {
        clearTimeout(timer)
        timer = setTimeout(cut, idle)
        into.write(chunk)
      })
      from.on('error', cut)
      from.on('close', cut)
      from.on('close', () => clearTimeout(timer))
    }
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  stage.add(() => server.close())
  return (server.address() as { port: number }).port
}

async function behindTheBox(idle: number, route: { heartbeat?: { interval: '100ms' } }): Promise<Talker> {
  const echo = await new EchoServer().listen()
  stage.add(() => echo.close())
  const { port } = await stage.gateway({ backends: [echo.address], routes: [{ pool: 'main', ...route }] })
  return new Talker(await impatientBox(port, idle)).opened
}

describe('a ping as rare as the idle timeout of something between (mattermost/docs#8929, ws#1598)', () => {
  test('is not what the defaults give: two pings fit into the usual 60 seconds, whatever the jitter', () => {
    const parsed = parseOptions({
      listen: [{ port: 0 }],
      pools: { main: { backends: ['a:1'] } },
      routes: [{ pool: 'main', heartbeat: {} }, { pool: 'main' }],
    })
    if ('problems' in parsed) throw new Error('expected no problems')
    const [beating, plain] = parsed.config.routes
    expect((beating?.heartbeat?.interval as number) * 1.1 * 2).toBeLessThan(60_000)
    // And the gateway itself cuts nobody for being idle.
    expect([plain?.idle, plain?.maxAge]).toEqual([undefined, undefined])
  })

  test('cannot lose the race where the heartbeat is faster', async () => {
    const talker = await behindTheBox(1000, { heartbeat: { interval: '100ms' } })
    await new Promise((resolve) => setTimeout(resolve, 2500))
    expect((await talker.ask('still here')).data.toString()).toBe('still here')
  })

  test('and without a heartbeat the box would have cut it', async () => {
    const talker = await behindTheBox(200, {})
    expect((await talker.closed).code).toBe(1006)
  })
})
