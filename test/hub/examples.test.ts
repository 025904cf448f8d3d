import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { EtcdServer } from '../../src/drivers/etcd/contract/etcd-servers.ts'
import { NatsServer } from '../../src/drivers/nats/contract/nats-servers.ts'
import { RedisServer } from '../../src/drivers/redis/contract/redis-servers.ts'
import { client, example, handshake, killPrograms, type Program } from '../support/example.ts'

// The programs of examples/hub as a reader runs them, on the runtime that runs this test: alone, then two of each as
// one, over real servers.

afterEach(killPrograms)

type Client = Awaited<ReturnType<typeof client>>

async function endsWell(...programs: Program[]): Promise<void> {
  for (const { process } of programs) process.kill('SIGINT')
  for (const { ended } of programs) expect(await ended).toBe(0)
}

/** Says it until somebody hears something: what is published before a node is known is lost, and ends take a moment. */
async function until(say: () => void, by: Client, text: string): Promise<string> {
  const heard = by.hears(text)
  for (;;) {
    say()
    const line = await Promise.race([heard, sleep(200)])
    if (line !== undefined) return line
  }
}

const lines = ({ got }: Client) => got.map((line) => JSON.parse(line))
const placeOf = ({ epoch, offset }: { epoch: string; offset: number }) => `epoch=${epoch}&offset=${offset}`

describe('an example of the hub', () => {
  test('echo', async () => {
    const program = await example('hub/echo.ts')
    const ann = await client(program.port)
    ann.say('hello')
    expect(await ann.hears('hello')).toBe('hello')
    await endsWell(program)
  })

  test('pumps: who reads too slowly is closed with 4008, and nobody waits for it', async () => {
    const program = await example('hub/pumps.ts')
    const [ann, bob, slow] = [
      await client(program.port),
      await client(program.port),
      await client(program.port),
    ]
    slow.socket.pause()
    // The kernel takes megabytes before anything waits.
    const block = '.'.repeat(60_000)
    for (let said = 0; !program.said().includes('does not keep up'); said += 20) {
      for (let i = said; i < said + 20; i++) ann.say(`${i}: ${block}`)
      await bob.hears(`${said + 19}: `)
    }
    expect(program.said()).toMatch(/^\S+ does not keep up, \d+ bytes wait for it: close$/m)
    ann.say('the last')
    await bob.hears('the last')
    expect(bob.got.map((text) => text.slice(0, 8))).toEqual([
      ...Array.from({ length: bob.got.length - 1 }, (_, i) => `${i}: ${block}`.slice(0, 8)),
      'the last',
    ])
    slow.socket.resume()
    expect(await slow.closed).toBe(4008)
    await program.says('has gone: 4008 by server')
    expect(ann.got).toEqual([])
    await endsWell(program)
  })

  test('rooms: clients come and go as they like', async () => {
    const program = await example('hub/rooms.ts')
    const [ann, bob] = [await client(program.port), await client(program.port)]
    ann.say('join red')
    expect(await ann.hears('red')).toBe('you are in red, where 1 are')
    ann.say('say red one')
    bob.say('join red')
    expect(await bob.hears('red')).toBe('you are in red, where 2 are')
    ann.say('say red two')
    await bob.hears('red: two')
    bob.say('leave red')
    await bob.hears('you are outside red, where 1 are')
    ann.say('say red three')
    ann.say('dance')
    await ann.hears('expected')
    expect(bob.got.filter((line) => line.startsWith('red: '))).toEqual(['red: two'])
    await ann.leave()
    await until(() => bob.say('say red is anybody there'), bob, 'you are outside red, where 0 are')
    await endsWell(program)
  })

  test('direct: a message to one given connection', async () => {
    const program = await example('hub/direct.ts')
    const [ann, bob, eve] = [
      await client(program.port),
      await client(program.port),
      await client(program.port),
    ]
    const [from, to] = await Promise.all([ann, bob].map(async (one) => (await one.hears('you are')).slice(8)))
    ann.say(`${to} dinner is ready`)
    expect(await bob.hears('dinner')).toBe(`${from}: dinner is ready`)
    await ann.hears(`${to} is there`)
    ann.say('nobody.at-all hello')
    await ann.hears('nobody is nobody.at-all')
    ann.say('nonsense')
    await ann.hears('expected')
    expect(eve.got).toHaveLength(1)
    await endsWell(program)
  })

  test('chat gives who comes back what was said meanwhile, and one who never heard a word too', async () => {
    const program = await example('hub/chat.ts')
    const bob = await client(program.port, 'user=bob')
    const welcome = JSON.parse(await bob.hears('welcome'))
    await bob.leave()
    const ann = await client(program.port, 'user=ann')
    for (const text of ['one', 'two']) ann.say(text)
    await ann.hears('ann: two')
    expect(lines(ann).map(({ text }) => text)).toEqual(['(welcome)', 'ann: one', 'ann: two'])

    const back = await client(program.port, `user=bob&${placeOf(welcome)}`)
    const again = JSON.parse(await back.hears('welcome'))
    expect(lines(back).map(({ text }) => text)).toEqual(['ann: one', 'ann: two', '(welcome)'])
    expect(again.offset).toBe(lines(back)[1].offset)
    await back.leave()
    const present = await client(program.port, `user=bob&${placeOf(again)}`)
    await present.hears('welcome')
    expect(present.got).toHaveLength(1)

    const late = await client(program.port, 'user=eve&epoch=other&offset=7')
    await late.hears('gone')
    expect(lines(late).map(({ text }) => text)).toEqual([
      'ann: one',
      'ann: two',
      '(something in between is gone)',
    ])
    await endsWell(program)
  })

  test.each([
    {
      file: 'hub/chat.ts',
      refused: {
        'user=': 401,
        'user=%00': 401,
        'user=ann&epoch=x': 400,
        'user=ann&offset=7': 400,
        'user=ann&epoch=x&offset=-1': 400,
        'user=ann&epoch=x&offset=1e3': 400,
        [`user=ann&epoch=${'x'.repeat(129)}&offset=1`]: 400,
      },
    },
    { file: 'hub/notifications.ts', refused: { [`user=${'x'.repeat(129)}`]: 401 } },
    { file: 'hub/presence.ts', refused: { nobody: 401 } },
  ])(
    '$file refuses what no client of it would ask, and has no mistake of its own',
    async ({ file, refused }) => {
      const program = await example(file)
      const before = program.said()
      for (const [query, status] of Object.entries(refused)) {
        expect([query, await handshake(program.port, query)]).toEqual([query, status])
      }
      expect(await handshake(program.port, 'user=ann&epoch=x&offset=1')).toBe(101)
      expect(program.said()).toBe(before)
      await endsWell(program)
    },
  )

  test('notifications reach every device of a user', async () => {
    const program = await example('hub/notifications.ts')
    const devices = [await client(program.port, 'user=ann'), await client(program.port, 'user=ann')]
    const bob = await client(program.port, 'user=bob')
    bob.say('ann dinner is ready')
    await bob.hears('ann has 2 devices')
    for (const device of devices) await device.hears('bob: dinner is ready')
    bob.say('\u0001 nonsense')
    await bob.hears('expected')
    await endsWell(program)
  })

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
    await endsWell(program)
  })
})

describe.each([
  {
    name: 'Redis',
    async launch() {
      const server = await RedisServer.launch()
      return { env: { REDIS_URL: `redis://127.0.0.1:${server.port}` }, servers: [server] }
    },
  },
  {
    name: 'NATS and etcd',
    async launch() {
      const [nats, etcd] = await Promise.all([NatsServer.launch(), EtcdServer.launch()])
      const env = { NATS_URL: `nats://127.0.0.1:${nats.port}`, ETCD_URL: `http://127.0.0.1:${etcd.port}` }
      return { env, servers: [nats, etcd] }
    },
  },
])('two of an example act as one over $name', ({ launch }) => {
  let broker: Awaited<ReturnType<typeof launch>>

  beforeAll(async () => {
    broker = await launch()
  })
  afterAll(async () => {
    await Promise.all(broker.servers.map((server) => server.dispose()))
  })

  const two = (file: string) => Promise.all([example(file, broker.env), example(file, broker.env)])

  test('pumps', async () => {
    const [here, there] = await two('hub/pumps.ts')
    const [ann, bob] = [await client(here.port), await client(there.port)]
    await until(() => ann.say('hello'), bob, 'hello')
    await endsWell(here, there)
  })

  test('rooms', async () => {
    const [here, there] = await two('hub/rooms.ts')
    const [ann, bob] = [await client(here.port), await client(there.port)]
    ann.say('join red')
    await until(() => bob.say('join red'), bob, 'you are in red, where 2 are')
    await until(() => ann.say('say red hello'), bob, 'red: hello')
    bob.say('leave red')
    await bob.hears('you are outside red, where 1 are')
    await endsWell(here, there)
  })

  test('direct', async () => {
    const [here, there] = await two('hub/direct.ts')
    const [ann, bob] = [await client(here.port), await client(there.port)]
    const id = (await bob.hears('you are')).slice(8)
    await until(() => ann.say(`${id} hello`), bob, 'hello')
    await ann.hears(`${id} is there: relayed`)
    await endsWell(here, there)
  })

  test('chat: who comes back after its server was killed gets at another one what was said meanwhile', async () => {
    const [here, there] = await two('hub/chat.ts')
    const [bob, quiet] = [await client(here.port, 'user=bob'), await client(here.port, 'user=quiet')]
    const welcome = JSON.parse(await quiet.hears('welcome'))
    await bob.hears('welcome')
    await quiet.leave()
    const ann = await client(there.port, 'user=ann')
    ann.say('one')
    const one = JSON.parse(await bob.hears('ann: one'))
    here.process.kill('SIGKILL')
    await here.ended
    ann.say('two')
    await ann.hears('ann: two')
    for (const [place, missed] of [
      [one, ['ann: two']],
      [welcome, ['ann: one', 'ann: two']],
    ]) {
      const back = await client(there.port, `user=bob&${placeOf(place)}`)
      await back.hears('welcome')
      expect(lines(back).map(({ text }) => text)).toEqual([...missed, '(welcome)'])
    }
    await endsWell(there)
  })

  test('notifications', async () => {
    const [here, there] = await two('hub/notifications.ts')
    const devices = [await client(here.port, 'user=ann'), await client(there.port, 'user=ann')]
    const bob = await client(there.port, 'user=bob')
    await until(() => bob.say('ann dinner is ready'), bob, 'ann has 2 devices')
    for (const device of devices) await device.hears('bob: dinner is ready')
    await endsWell(here, there)
  })

  test('presence', async () => {
    const [here, there] = await two('hub/presence.ts')
    const ann = await client(here.port, 'user=ann')
    await ann.hears('here: ann')
    const bob = await client(there.port, 'user=bob')
    await ann.hears('bob came')
    await bob.leave()
    await ann.hears('bob went')
    await endsWell(here, there)
  })
})
