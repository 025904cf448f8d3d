import { describe, expect, test } from 'vitest'
import type { Admission } from '../transport.ts'
import { RawClient } from './raw-client.ts'
import type { StartTransport } from './transport-rig.ts'
import { TransportStage } from './transport-stage.ts'

/** Holds a transport to what `transport.ts` says of handshakes, over real sockets. */
export function handshakeContract(name: string, start: StartTransport): void {
  describe(`a handshake over ${name}`, () => {
    const { startRig, open, clients } = new TransportStage(start)

    test('tells what the client asked for', async () => {
      const rig = await startRig()
      const headers = {
        'Sec-WebSocket-Protocol': 'chat.v2, chat.v1',
        Cookie: 'a=1',
        'X-Two': 'b',
        Origin: 'https://a.example',
      }
      await open(rig, { path: '/ws/a%20b?token=1&x=%2F', headers })
      const [request] = rig.requests
      expect(request?.url).toBe('/ws/a%20b?token=1&x=%2F')
      expect(request?.protocols).toEqual(['chat.v2', 'chat.v1'])
      expect(request?.headers).toMatchObject({ cookie: 'a=1', 'x-two': 'b', origin: 'https://a.example' })
      expect(request?.headers.host).toBe(`127.0.0.1:${rig.port}`)
      expect(request?.origin).toBe('https://a.example')
      expect(request?.remoteAddress).toBe('127.0.0.1')
      expect(request?.secure).toBe(false)
    })

    test('can still be read when the connection has ended', async () => {
      const rig = await startRig()
      const headers = { Cookie: 'a=1', Origin: 'https://a.example', 'Sec-WebSocket-Protocol': 'chat' }
      const { client, owner } = await open(rig, { path: '/ws?token=1', headers })
      client.destroy()
      await owner.until(() => owner.isClosed)
      const [request] = rig.requests
      expect(request?.url).toBe('/ws?token=1')
      expect(request?.headers).toMatchObject({ cookie: 'a=1' })
      expect(request?.origin).toBe('https://a.example')
      expect(request?.protocols).toEqual(['chat'])
      expect(request?.remoteAddress).toBe('127.0.0.1')
      expect(request?.secure).toBe(false)
    })

    test('agrees on the subprotocol that was chosen', async () => {
      const rig = await startRig()
      rig.admit = (_, owner) => ({ accept: true, protocol: 'b', owner })
      const { client } = await open(rig, { headers: { 'Sec-WebSocket-Protocol': 'a, b' } })
      expect(client.field('Sec-WebSocket-Protocol')).toBe('b')
    })

    test('agrees on none when none was chosen', async () => {
      const rig = await startRig()
      const { client } = await open(rig, { headers: { 'Sec-WebSocket-Protocol': 'a, b' } })
      expect(client.head).not.toMatch(/Sec-WebSocket-Protocol/i)
    })

    test.each([
      ['at once', (refusal: Admission) => refusal],
      ['later', async (refusal: Admission) => refusal],
    ])('refuses %s with status, body and fields', async (_, when) => {
      const rig = await startRig()
      const refusal = {
        accept: false,
        status: 429,
        body: 'slow down',
        headers: { 'Retry-After': '7' },
      } as const
      rig.admit = () => when(refusal)
      const client = await RawClient.connect({ port: rig.port })
      await client.until(() => client.ended)
      expect(client.status).toBe(429)
      expect(client.field('Retry-After')).toBe('7')
      expect(client.body).toContain('slow down')
      expect(client.field('Content-Type')).toMatch(/^text\/plain/)
      client.destroy()
    })

    test('refuses with another kind of body than plain text', async () => {
      const rig = await startRig()
      const headers = { 'content-type': 'application/json' }
      rig.admit = () => ({ accept: false, status: 401, body: '{}', headers })
      const client = await RawClient.connect({ port: rig.port })
      await client.until(() => client.ended)
      expect(client.head.match(/^content-type:.*$/gim)).toEqual([
        expect.stringMatching(/: application\/json$/),
      ])
      client.destroy()
    })

    test('that goes wrong on this side is told, and shows nothing of it', async () => {
      const rig = await startRig()
      rig.admit = () => Promise.reject(new Error('secret detail'))
      const client = await RawClient.connect({ port: rig.port })
      await client.until(() => client.ended || client.closed)
      expect([client.status, client.body]).toEqual([500, 'internal error'])
      expect(rig.failures).toMatchObject([{ message: 'secret detail' }])
      client.destroy()
    })

    test('tells of a client that leaves while it is decided', async () => {
      const rig = await startRig()
      let decide: () => void = () => {}
      rig.admit = (_, owner) =>
        new Promise((resolve) => {
          decide = () => resolve({ accept: true, protocol: null, owner })
        })
      const client = RawClient.start({ port: rig.port })
      while (rig.requests.length === 0) await new Promise((resolve) => setImmediate(resolve))
      const signal = rig.requests[0]?.signal as AbortSignal
      expect(signal.aborted).toBe(false)
      client.destroy()
      if (!signal.aborted) await new Promise((resolve) => signal.addEventListener('abort', resolve))
      decide()
      await rig.last.untilTold('closed 1006')
      expect(rig.last.told).toEqual(['closed 1006'])
    })

    test.each([
      ['no key', { 'Sec-WebSocket-Key': '' }],
      ['a bad key', { 'Sec-WebSocket-Key': 'short' }],
      ['another version', { 'Sec-WebSocket-Version': '7' }],
      ['a subprotocol that is two words', { 'Sec-WebSocket-Protocol': 'a b' }],
      ['a subprotocol twice', { 'Sec-WebSocket-Protocol': 'a, b, a' }],
    ])('lets nobody in with %s', async (_, headers) => {
      const rig = await startRig()
      const client = await RawClient.connect({ port: rig.port, headers })
      expect(client.status).toBeGreaterThanOrEqual(400)
      expect(client.status).toBeLessThan(500)
      await client.until(() => client.ended || client.closed)
      for (const { told } of rig.owners) expect(told).toEqual(['closed 1006'])
      client.destroy()
    })

    test('may take its time', async () => {
      const rig = await startRig()
      let decide: () => void = () => {}
      rig.admit = (_, owner) =>
        new Promise((resolve) => {
          decide = () => resolve({ accept: true, protocol: null, owner })
        })
      const client = RawClient.start({ port: rig.port })
      clients.push(client)
      while (rig.owners.length === 0) await new Promise((resolve) => setImmediate(resolve))
      expect(client.head).toBe('')
      decide()
      await client.until(() => client.status === 101)
      client.text('after')
      await rig.last.untilTold('message after')
    })

    test.each([
      ['closes', (client: RawClient) => client.destroy()],
      ['resets', (client: RawClient) => client.reset()],
      ['ends its side', (client: RawClient) => client.socket.end()],
    ])('never opens a client that %s while it is being decided about', async (_, leave) => {
      const rig = await startRig()
      let decide: () => void = () => {}
      rig.admit = (_, owner) =>
        new Promise((resolve) => {
          decide = () => resolve({ accept: true, protocol: null, owner })
        })
      const client = RawClient.start({ port: rig.port, allowHalfOpen: true })
      clients.push(client)
      while (rig.owners.length === 0) await new Promise((resolve) => setImmediate(resolve))
      leave(client)
      // The server has to hear of it.
      await new Promise((resolve) => setTimeout(resolve, 100))
      decide()
      await rig.last.untilTold('closed')
      expect(rig.last.told).toEqual(['closed 1006'])
    })

    test('takes the first message with the handshake', async () => {
      const rig = await startRig()
      const { client } = await open(rig)
      client.text('first')
      await rig.last.untilTold('message first')
      expect(rig.last.told).toEqual(['opened', 'message first'])
    })
  })
}
