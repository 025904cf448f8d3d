import { afterEach, expect, test } from 'vitest'
import type { GatewayConfig, GatewayOptions } from '../../src/gateway/options.ts'
import { checkedOptions } from '../../src/gateway/parse-options.ts'
import { EchoServer } from './support/echo-server.ts'
import { stillHeld } from './support/garbage.ts'
import { Stage } from './support/stage.ts'
import { Talker } from './support/talker.ts'

const stage = new Stage()
afterEach(() => stage.close())

const patience = 30_000

async function echo(): Promise<EchoServer> {
  const server = await new EchoServer().listen()
  stage.add(() => server.close())
  return server
}

const policies = ['power-of-two', 'round-robin', 'least-connections', 'random', 'peak-ewma'] as const

/** The n-th edit: another policy, another name, other weights, other timeouts, one more route, another listener. */
function edit(index: number, backends: readonly string[]): GatewayOptions {
  const policy = policies[index % policies.length] ?? 'auto'
  const name = `pool${index % 3}`
  return {
    listen: [{ port: 0, host: '127.0.0.1' }, ...(index % 2 === 1 ? [{ port: 0, host: '127.0.0.1' }] : [])],
    pools: {
      [name]: {
        policy,
        backends: backends.map((address, at) => ({ address, weight: 1 + ((index + at) % 3) })),
        health: { tcp: true, interval: `${20 + index}s` },
      },
      other: { backends: [`127.0.0.1:${1 + index}`] },
    },
    routes: [
      { match: { path: `/unused/${index}` }, pool: 'other', policy: 'random' },
      {
        pool: name,
        idle: '1h',
        maxAge: `${2 + index}h`,
        ...(index % 2 === 1 && { policy: 'least-connections' }),
      },
    ],
    timeouts: { connect: `${3 + index}s`, drain: '1s' },
  }
}

test(
  'ten reloads with edits under constant connecting lose no tunnel and refuse nobody',
  async () => {
    const servers = [await echo(), await echo(), await echo()]
    const backends = servers.map(({ address }) => address)
    const { gateway, port } = await stage.gateway(edit(0, backends))
    const talkers = await Promise.all(Array.from({ length: 200 }, () => new Talker(port).opened))
    let connecting = true
    const connector = async () => {
      while (connecting && talkers.length < 600) talkers.push(await new Talker(port).opened)
    }
    const connectors = Array.from({ length: 4 }, connector)
    for (let index = 1; index <= 10; index++) {
      const before = talkers.length
      const summary = await gateway.reload(edit(index, backends))
      expect(summary.changed).toBe(true)
      while (talkers.length < Math.min(before + 10, 600))
        await new Promise((resolve) => setImmediate(resolve))
    }
    connecting = false
    // Nobody was refused: a refused one would reject here.
    await Promise.all(connectors)
    const answers = await Promise.all(talkers.map((talker, index) => talker.ask(`message ${index}`)))
    expect(answers.map(({ data }) => data.toString())).toEqual(talkers.map((_, index) => `message ${index}`))
    const counted = gateway.backends.filter(({ pool }) => pool !== 'other')
    expect(counted.reduce((sum, { connections }) => sum + connections, 0)).toBe(talkers.length)
    for (const { socket } of talkers) socket.terminate()
  },
  patience,
)

test(
  'after 100 reloads nothing of the old configurations is held, not even by the tunnels of their time (haproxy#155)',
  async () => {
    const servers = [await echo(), await echo()]
    const backends = servers.map(({ address }) => address)
    const { gateway, port } = await stage.gateway(edit(0, backends))
    const probes = () => servers.reduce((sum, server) => sum + server.accepted, 0)
    const references: WeakRef<object>[] = []
    const note = (config: GatewayConfig): GatewayConfig => {
      for (const pool of Object.values(config.pools)) references.push(new WeakRef(pool))
      references.push(new WeakRef(config.routes), new WeakRef(config.timeouts))
      return config
    }
    const talkers: Talker[] = []
    for (let index = 1; index <= 100; index++) {
      await gateway.reloadFrom(() => note(checkedOptions(edit(index, backends))))
      if (index % 10 === 0) talkers.push(await new Talker(port).opened)
    }
    // The last configuration has four.
    const held = await stillHeld(references)
    expect(held).toBeGreaterThan(0)
    expect(held).toBeLessThanOrEqual(8)
    for (const talker of talkers) expect((await talker.ask('here'))?.data.toString()).toBe('here')
    // Probers of old configurations would go on: each began within a second, and then every 20 to 120 seconds.
    const before = probes()
    await new Promise((resolve) => setTimeout(resolve, 1500))
    expect(probes() - before).toBeLessThanOrEqual(2 * backends.length)
    for (const { socket } of talkers) socket.terminate()
  },
  patience,
)
