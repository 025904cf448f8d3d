import { createServer, type IncomingMessage, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterEach, expect, test } from 'vitest'
import { outcome } from '../../hub/contract/cluster-rig.ts'
import { EtcdClient } from './etcd-client.ts'
import { parseEtcdOptions } from './etcd-options.ts'

/** Something that answers as it is told, for what a real etcd says rarely. */
class Gateway {
  readonly asked: string[] = []
  readonly #server: Server

  private constructor(answers: (string | null)[]) {
    this.#server = createServer((request, response) => {
      this.asked.push(`${request.url} ${request.headers.authorization ?? '-'}`)
      const answer = answers.length > 1 ? answers.shift() : answers[0]
      request.resume().on('end', () => {
        if (answer === null || answer === undefined) return
        const status = answer.includes('"code"') ? 503 : 200
        response.writeHead(status, { 'content-type': 'application/json' }).end(answer)
      })
    })
  }

  /** @param answers one after the other, the last one for ever; null: none */
  static async that(...answers: (string | null)[]): Promise<Gateway> {
    const gateway = new Gateway(answers)
    await new Promise<void>((resolve) => gateway.#server.listen(0, '127.0.0.1', resolve))
    open.push(gateway)
    return gateway
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`
  }

  onRequest(act: (request: IncomingMessage) => void): void {
    this.#server.on('request', act)
  }

  close(): void {
    this.#server.close()
    this.#server.closeAllConnections()
  }
}

const open: { close(): void }[] = []
afterEach(() => {
  for (const each of open.splice(0)) each.close()
})

function clientOf(gateways: readonly (Gateway | string)[], patience = 5_000, user = ''): EtcdClient {
  const urls = gateways.map((each) => (typeof each === 'string' ? each : each.url))
  const place = parseEtcdOptions(urls.map((url) => url.replace('//', `//${user}`)).join())
  const client = new EtcdClient(place, patience)
  open.push(client)
  return client
}

const fine = '{"header":{"revision":"1"}}'
const timedOut =
  '{"error":"etcdserver: request timed out","message":"etcdserver: request timed out","code":14}'

test('a member that cannot be connected to is passed over at once', async () => {
  const well = await Gateway.that(fine)
  const client = clientOf(['http://127.0.0.1:1', well])
  await client.ask('kv/range', {})
  expect(well.asked).toEqual(['/v3/kv/range -'])
  const lost = clientOf(['http://127.0.0.1:1', 'http://127.0.0.1:2'])
  expect(await outcome(lost.ask('kv/range', {}))).toBe('CLUSTER_UNAVAILABLE')
})

test('after a member that has lost the others, or does not answer, the next one is asked', async () => {
  const well = await Gateway.that(fine)
  for (const sick of [timedOut, null, '<html>hunter2</html>', '{"message":"hunter2"}', '{"header":{', '[]']) {
    const client = clientOf([await Gateway.that(sick), well], 300)
    const failed: Error = await client.ask('kv/txn', {}).then(
      () => new Error('it was taken'),
      (error) => error,
    )
    expect(failed).toMatchObject({ code: 'CLUSTER_UNCERTAIN' })
    expect(`${failed.message} ${failed.cause}`).not.toContain('hunter2')
    await client.ask('kv/txn', {})
  }
})

test('when several requests find out at once that a member is bad, it is the next one that is asked', async () => {
  const [sick, well] = [await Gateway.that(timedOut), await Gateway.that(fine)]
  const client = clientOf([sick, well])
  await Promise.allSettled([client.ask('kv/range', {}), client.ask('kv/range', {})])
  await client.ask('kv/range', {})
  expect(well.asked.length).toBe(1)
})

test.each([
  '{"error":"etcdserver: invalid auth token","message":"etcdserver: invalid auth token","code":16}',
  '{"code":3,"message":"etcdserver: revision of auth store is old","details":[]}',
  '{"error":{"grpc_code":16,"http_code":401,"message":"etcdserver: invalid auth token"}}',
  '{"error":"etcdserver: user name is empty","message":"etcdserver: user name is empty","code":3}',
])('a token that is not taken is replaced, and what was asked is asked again (%#)', async (stale) => {
  const token = (name: string) => `{"header":{},"token":"${name}"}`
  const gateway = await Gateway.that(token('one'), stale, token('two'), '{"result":{"TTL":"7"}}')
  const client = clientOf([gateway], 5_000, 'me:x@')
  expect(await client.ask('lease/keepalive', {})).toEqual({ result: { TTL: '7' } })
  expect(gateway.asked).toEqual([
    '/v3/auth/authenticate -',
    '/v3/lease/keepalive one',
    '/v3/auth/authenticate -',
    '/v3/lease/keepalive two',
  ])
})

test('whoever asks at once logs in once', async () => {
  const gateway = await Gateway.that('{"header":{},"token":"one"}', fine)
  const client = clientOf([gateway], 5_000, 'me:x@')
  await Promise.all([1, 2, 3].map(() => client.ask('kv/range', {})))
  expect(gateway.asked.filter((line) => line.includes('authenticate')).length).toBe(1)
})

test('`close` rejects what is under way, and what follows', async () => {
  const gateway = await Gateway.that(null)
  const client = clientOf([gateway], 60_000)
  const asked = new Promise<void>((resolve) => gateway.onRequest(() => resolve()))
  const under = outcome(client.ask('kv/range', {}))
  await asked
  client.close()
  expect(await under).toBe('CLUSTER_UNCERTAIN')
  expect(await outcome(client.ask('kv/range', {}))).toBe('CLUSTER_UNAVAILABLE')
  client.close()
})
