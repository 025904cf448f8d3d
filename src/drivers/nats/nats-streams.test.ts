import { errors } from '@nats-io/transport-node'
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
