import { setTimeout as sleep } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { eventually } from '../../hub/contract/cluster-rig.ts'
import { HubRig } from '../../hub/contract/hub-rig.ts'
import { launchServer, type RedisServer } from './contract/redis-servers.ts'

interface Traffic {
  readonly commands: number
  readonly bytes: number
}

/** What a server has been asked since it began. */
async function traffic(server: RedisServer): Promise<Traffic> {
  const info = await server.ask('INFO stats')
  const number = (name: string) => Number(new RegExp(`${name}:(\\d+)`).exec(info)?.[1])
  return { commands: number('total_commands_processed'), bytes: number('total_net_input_bytes') }
}

/** What it is asked within a time. */
async function trafficIn(server: RedisServer, milliseconds: number): Promise<Traffic> {
  const before = await traffic(server)
  await sleep(milliseconds)
  const after = await traffic(server)
  return { commands: after.commands - before.commands, bytes: after.bytes - before.bytes }
}

async function start(broker: Awaited<ReturnType<typeof launchServer>>, node: string): Promise<HubRig> {
  const rig: HubRig = await HubRig.start({
    node,
    cluster: broker.way().driver,
    lease: { beat: '300ms', suspect: '900ms', dead: '30s' },
    rooms: { 'p-*': { presence: true } },
    userPresence: true,
    presenceGrace: '200ms',
    authenticate: ({ url }) => ({ user: new URL(url, 'ws://host').searchParams.get('user') ?? '' }),
  })
  rig.hub.on('connection', (connection) => {
    connection.join('plain')
    connection.join('p-all')
    connection.join(`p-${connection.user}`)
  })
  return rig
}

/** Waits until two nodes ask no more in three seconds than before: what lasts never becomes so. */
async function settles({ server }: Awaited<ReturnType<typeof launchServer>>, before: Traffic): Promise<void> {
  let found = before
  for (let window = 0; window < 6; window++) {
    found = await trafficIn(server, 3_000)
    // A beat more or less; two hundred refreshes would be far more.
    if (found.commands < before.commands * 1.3 + 10 && found.bytes < before.bytes * 1.3 + 500) return
  }
  expect(found).toEqual(before)
}

test('idle connections ask nothing of the broker, and restarts of a node leave nothing behind that does', async () => {
  const broker = await launchServer()
  const first = await start(broker, 'a')
  let second = await start(broker, 'b')
  const bothSeeBoth = () =>
    eventually(
      () => [first, second].every(({ hub }) => hub.ready() && hub.nodes().length === 2),
      'both see both',
    )
  try {
    await bothSeeBoth()
    await first.open({ path: '/?user=first' })
    await sleep(2_000)
    const alone = await trafficIn(broker.server, 3_000)
    // Beats and probes go on, so that there is something to compare with.
    expect(alone.commands).toBeGreaterThan(20)

    for (let at = 0; at < 200; at++) await first.open({ path: `/?user=${at}` })
    await eventually(() => first.hub.stats().connections === 201, 'all are in')
    expect((await second.hub.room('p-all').presence.count()).count).toBe(201)
    await settles(broker, alone)

    for (let restart = 0; restart < 10; restart++) {
      for (let at = 0; at < 20; at++) await second.open({ path: `/?user=${restart}-${at}` })
      await second.close()
      second = await start(broker, 'b')
      await bothSeeBoth()
    }
    await settles(broker, alone)
    expect(await first.hub.room('p-all').presence.count()).toEqual({ count: 201, missing: [] })
    expect(first.hub.stats().cluster).toMatchObject({ nodes: 2 })

    // What a message takes through the broker is known.
    const { lag } = first.hub.stats().cluster
    expect(lag).toBeGreaterThan(0)
    expect(lag).toBeLessThan(30_000)
  } finally {
    await first.close()
    await second.close()
    await broker.dispose()
  }
}, 60_000)
