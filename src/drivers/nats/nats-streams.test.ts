import { connect, errors } from '@nats-io/transport-node'
import { expect, test } from 'vitest'
import { unavailable, uncertain } from '../../hub/cluster-error.ts'
import { Bench, bytes, outcome, patience } from '../../hub/contract/cluster-rig.ts'
import { launchNats } from './contract/nats-servers.ts'
import { nats } from './nats-driver.ts'
import type { NatsLink } from './nats-link.ts'
import { NatsStreams } from './nats-streams.ts'

/** Streams of a server that answers every request with this. */
function streamsThatAnswer(answer: object): NatsStreams {
  const data = bytes(JSON.stringify(answer))
  return new NatsStreams({ connection: { request: async () => ({ data }) } } as unknown as NatsLink)
}

test.each([
  // As nats-server 2.9 to 2.11 says them: code, error code, what it means for an append.
  [400, 10_071, null],
  [400, 10_164, null],
  [409, 10_158, null],
  [400, 10_054, 'CLUSTER_REFUSED'],
  [400, 10_002, 'CLUSTER_UNAVAILABLE'],
  [503, 10_008, 'CLUSTER_UNAVAILABLE'],
  [503, 10_023, 'CLUSTER_UNAVAILABLE'],
  [503, 10_076, 'CLUSTER_UNAVAILABLE'],
  [500, 10_047, 'CLUSTER_UNAVAILABLE'],
  [503, 10_077, 'CLUSTER_UNCERTAIN'],
  [500, 10_051, 'CLUSTER_UNCERTAIN'],
])('an append that fails with %i (%i) is %s', async (code, err_code, expected) => {
  const streams = streamsThatAnswer({ error: { code, err_code, description: 'so it is' } })
  expect(await outcome(streams.append('a', 'x', 1))).toBe(expected)
})

test('an append of which the server has kept another in its place is not taken for this one', async () => {
  expect(await streamsThatAnswer({ stream: 's', seq: 7 }).append('a', 'x', 1)).toBe(7)
  expect(await streamsThatAnswer({ stream: 's', seq: 7, duplicate: true }).append('a', 'x', 1)).toBe(null)
})

test('a question is asked again when nobody answers; an append only when there was nobody to take it', async () => {
  const answer = { data: bytes('{"seq":7}') }
  const deaf = uncertain('no answer')
  const nobody = unavailable(
    'nobody',
    new errors.RequestError('', { cause: new errors.NoRespondersError('a') }),
  )
  const meeting = (...ends: unknown[]) => {
    const request = async () => {
      const end = ends.shift()
      if (end !== answer) throw end
      return end
    }
    return new NatsStreams({ connection: { request } } as unknown as NatsLink)
  }
  expect(await meeting(deaf, deaf, answer).info('s')).toEqual({ seq: 7 })
  expect(await outcome(meeting(...Array(5).fill(deaf), answer).info('s'))).toBe('CLUSTER_UNCERTAIN')
  expect(await meeting(nobody, nobody, answer).append('a', 'x', 1)).toBe(7)
  expect(await outcome(meeting(deaf, answer).append('a', 'x', 1))).toBe('CLUSTER_UNCERTAIN')
})

const settings = { name: 's', subjects: ['room.*'], max_msgs_per_subject: 1, max_age: 1 }

const none = { error: { code: 404, err_code: 10_059, description: 'stream not found' } }
const there = { config: { ...settings, num_replicas: 1, storage: 'file' } }

/** What is asked to make a stream of a server that gives these answers. */
async function askedToMake(ofSeveral: boolean, ...answers: object[]): Promise<string[]> {
  const asked: string[] = []
  const request = async (subject: string) => {
    asked.push(subject.replace('$JS.API.STREAM.', ''))
    return { data: bytes(JSON.stringify(answers.shift())) }
  }
  const place = { replicas: 1, storage: 'file' }
  const link = { connection: { request, ofSeveral }, place } as unknown as NatsLink
  await new NatsStreams(link).create(settings)
  return asked
}

test('a stream is there, whatever a server says to the later of two that make it at once', async () => {
  const inUse = {
    error: { code: 400, err_code: 10_065, description: 'subjects overlap with an existing stream' },
  }
  const asked = await askedToMake(false, none, inUse, none, inUse, there)
  expect(asked).toEqual(['INFO.s', 'CREATE.s', 'INFO.s', 'CREATE.s', 'INFO.s'])
})

test('a stream is made where there is none: of several servers, one that leads them since just now may not know', async () => {
  expect(await askedToMake(false, there)).toEqual(['INFO.s'])
  expect(await askedToMake(true, there)).toEqual(['INFO.s'])
  expect(await askedToMake(true, none, there)).toEqual(['INFO.s', 'INFO.s'])
  expect(await askedToMake(true, none, none, there)).toEqual(['INFO.s', 'INFO.s', 'CREATE.s'])
})

test('a stream of which another has the subjects is refused', async () => {
  const broker = await launchNats()
  const client = await connect({ servers: `127.0.0.1:${broker.server.port}` })
  try {
    await using bench = new Bench(broker)
    const { namespace } = bench
    const other = { name: 'another', subjects: [`${namespace}.h.*`] }
    await client.request('$JS.API.STREAM.CREATE.another', JSON.stringify(other))
    const { history } = bench.cluster()
    await history?.start(patience)
    await expect(history?.append('room', bytes('x'), { size: 1, age: 60_000 })).rejects.toThrow(
      `JetStream: subjects overlap with an existing stream (10065), for the stream ${namespace}_history`,
    )
  } finally {
    await client.close()
    await broker.dispose()
  }
})

test('a stream that is kept otherwise than the options say stays as it is, and it is said once', async () => {
  const broker = await launchNats()
  try {
    await using bench = new Bench(broker)
    const append = async (storage: 'file' | 'memory') => {
      const servers = `nats://127.0.0.1:${broker.server.port}`
      const way = { driver: nats({ servers, storage }), cut() {}, heal() {} }
      const { history } = bench.cluster(way)
      await history?.start(patience)
      for (const size of [1, 2, 3]) await history?.append('room', bytes('x'), { size, age: 60_000 })
    }
    await append('memory')
    expect(bench.lines).toEqual([])
    await append('file')
    expect(bench.lines.length).toBe(1)
    expect(bench.lines[0]).toContain('"storage":"memory","wanted":{"replicas":1,"storage":"file"}')
  } finally {
    await broker.dispose()
  }
})
