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

test('idle connections, with users, rooms and presence, ask nothing of the broker', async () => {
  const broker = await launchServer()
  const rigs: HubRig[] = []
  try {
    for (const node of ['a', 'b']) {
      const rig = await HubRig.start({
        node,
        cluster: broker.way().driver,
        lease: { beat: '300ms', suspect: '900ms', dead: '30s' },
        rooms: { 'p-*': { presence: true } },
        userPresence: true,
        authenticate: ({ url }) => ({ user: new URL(url, 'ws://host').searchParams.get('user') ?? '' }),
      })
      rig.hub.on('connection', (connection) => {
        connection.join('plain')
        connection.join('p-all')
        connection.join(`p-${connection.user}`)
      })
      rigs.push(rig)
    }
    const [first, second] = rigs as [HubRig, HubRig]
    await eventually(() => rigs.every(({ hub }) => hub.ready() && hub.nodes().length === 2), 'both see both')
    await first.open({ path: '/?user=first' })
    await sleep(1_000)
    const alone = await trafficIn(broker.server, 3_000)
    // Beats and probes go on, so that there is something to compare with.
    expect(alone.commands).toBeGreaterThan(20)

    for (let at = 0; at < 200; at++) await first.open({ path: `/?user=${at}` })
    await eventually(() => first.hub.stats().connections === 201, 'all are in')
    const { count } = await second.hub.room('p-all').presence.count()
    expect(count).toBe(201)
    await sleep(1_000)
    const many = await trafficIn(broker.server, 3_000)
    // A beat more or less; 200 refreshes would be far more.
    expect(many.commands).toBeLessThan(alone.commands * 1.5 + 20)
    expect(many.bytes).toBeLessThan(alone.bytes * 1.5 + 2_000)

    // What a message takes through the broker is known.
    const { lag } = first.hub.stats().cluster
    expect(lag).toBeGreaterThan(0)
    expect(lag).toBeLessThan(30_000)
  } finally {
    for (const rig of rigs) await rig.close()
    await broker.dispose()
  }
}, 60_000)
