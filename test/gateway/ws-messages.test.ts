import { afterEach, describe, expect, test } from 'vitest'
import type { WebSocket } from 'ws'
import { EchoServer } from './support/echo-server.ts'
import { eventually } from './support/eventually.ts'
import { clientFrame, opcodes, readFrame } from './support/frames.ts'
import { upgradeRequest } from './support/handshakes.ts'
import { Stage } from './support/stage.ts'
import { Talker } from './support/talker.ts'

const stage = new Stage()
afterEach(() => stage.close())

async function echoServer(options?: ConstructorParameters<typeof EchoServer>[0]): Promise<EchoServer> {
  const server = await new EchoServer(options).listen()
  stage.add(() => server.close())
  return server
}

async function talker(port: number, protocols?: readonly string[], deflate?: boolean): Promise<Talker> {
  const client = new Talker(port, protocols, deflate)
  stage.add(() => client.socket.terminate())
  return client.opened
}

/** A client, and the server's side of it. */
async function pair(): Promise<{
  client: Talker
  server: WebSocket
  log: Awaited<ReturnType<Stage['gateway']>>['log']
}> {
  let take: (socket: WebSocket) => void = () => {}
  const connected = new Promise<WebSocket>((resolve) => {
    take = resolve
  })
  const backend = await echoServer({ onConnection: (socket) => take(socket) })
  const { port, log } = await stage.gateway({ backends: [backend.address] })
  const client = await talker(port)
  return { client, server: await connected, log }
}

function closing(socket: WebSocket): Promise<{ code: number; reason: string }> {
  return new Promise((resolve) => {
    socket.once('close', (code, reason) => resolve({ code, reason: String(reason) }))
  })
}

describe('connections', () => {
  test('are spread over three backends in turn', async () => {
    const backends = [await echoServer(), await echoServer(), await echoServer()]
    const pool = { policy: 'round-robin' as const, backends: backends.map(({ address }) => address) }
    const { port, gateway } = await stage.gateway({ pools: { main: pool } })
    for (let index = 0; index < 9; index++) await talker(port)
    expect(backends.map(({ connections }) => connections)).toEqual([3, 3, 3])
    expect(gateway.backends.map(({ connections }) => connections)).toEqual([3, 3, 3])
  })

  test('are spread by weight', async () => {
    const backends = [await echoServer(), await echoServer(), await echoServer()]
    const [one, two, none] = backends.map(({ address }) => address) as [string, string, string]
    const pool = {
      policy: 'round-robin' as const,
      backends: [
        { address: one, weight: 1 },
        { address: two, weight: 3 },
        { address: none, weight: 0 },
      ],
    }
    const { port } = await stage.gateway({ pools: { main: pool } })
    for (let index = 0; index < 8; index++) await talker(port)
    expect(backends.map(({ connections }) => connections)).toEqual([2, 6, 0])
  })
})

describe.each([
  ['plain', false],
  ['compressed', true],
] as const)('%s messages', (_kind, deflate) => {
  test('of every kind and size come back exactly', async () => {
    const backend = await echoServer({ deflate })
    const { port, log } = await stage.gateway({ backends: [backend.address] })
    const client = await talker(port, [], deflate)
    if (deflate) expect(client.socket.extensions).toContain('permessage-deflate')
    const texts = ['', 'hello', 'žluťoučký kůň 🐎', 'x'.repeat(125), 'y'.repeat(126), 'z'.repeat(70_000)]
    for (const text of texts)
      expect(await client.ask(text)).toEqual({ data: Buffer.from(text), binary: false })
    for (const length of [0, 1, 125, 126, 65_535, 65_536, 1_048_576]) {
      const bytes = Buffer.from(Uint8Array.from({ length }, (_, at) => (at * 31) & 255))
      const answer = await client.ask(bytes)
      expect([answer.binary, answer.data.equals(bytes)]).toEqual([true, true])
    }
    client.socket.close(1000)
    const count = texts.length + 7
    expect(await log.line('tunnel.closed')).toMatchObject({
      closeCode: 1000,
      endedBy: 'client',
      messagesFromClient: count,
      messagesFromBackend: count,
    })
  })
})

describe('what the ends agree on', () => {
  test('a subprotocol', async () => {
    const backend = await echoServer({ protocol: 'superchat' })
    const { port } = await stage.gateway({ backends: [backend.address] })
    expect((await talker(port, ['chat', 'superchat'])).socket.protocol).toBe('superchat')
    expect((await talker(port)).socket.protocol).toBe('')
  })

  test('fragments arrive as fragments', async () => {
    const backend = await echoServer()
    const { port } = await stage.gateway({ backends: [backend.address] })
    const client = await stage.client(port)
    client.send(upgradeRequest())
    await client.until('\r\n\r\n')
    client.send(clientFrame(opcodes.text, 'he', false)).send(clientFrame(opcodes.ping, 'in between'))
    client.send(clientFrame(opcodes.continuation, 'll', false)).send(clientFrame(opcodes.continuation, 'o'))
    const answers = [await readFrame(client), await readFrame(client)]
    expect(answers.map(({ opcode, payload }) => [opcode, payload.toString()])).toEqual([
      [opcodes.pong, 'in between'],
      [opcodes.text, 'hello'],
    ])
  })

  test('ping and pong, both ways', async () => {
    const { client, server } = await pair()
    const ponged = (socket: WebSocket) =>
      new Promise<string>((resolve) => socket.once('pong', (data: Buffer) => resolve(String(data))))
    const answers = [ponged(client.socket), ponged(server)]
    client.socket.ping('from client')
    server.ping('from server')
    expect(await Promise.all(answers)).toEqual(['from client', 'from server'])
  })
})

describe('close codes', () => {
  const codes: [number | undefined, string][] = [
    [1000, ''],
    [4001, 'go away'],
    [undefined, ''],
  ]

  test.each(codes)('%s %s of the client reaches the backend', async (code, reason) => {
    const { client, server, log } = await pair()
    const closed = closing(server)
    client.socket.close(code, reason)
    const expected = { code: code ?? 1005, reason }
    expect(await closed).toEqual(expected)
    expect((await client.closed).code).toBe(expected.code)
    expect(await log.line('tunnel.closed')).toMatchObject({ closeCode: expected.code, endedBy: 'client' })
  })

  test.each(codes)('%s %s of the backend reaches the client', async (code, reason) => {
    const { client, server, log } = await pair()
    server.close(code, reason)
    const expected = { code: code ?? 1005, reason }
    expect(await client.closed).toEqual(expected)
    expect(await log.line('tunnel.closed')).toMatchObject({ closeCode: expected.code, endedBy: 'backend' })
  })

  test('an end without Close is 1006 for the other side', async () => {
    const first = await pair()
    first.server.terminate()
    expect((await first.client.closed).code).toBe(1006)
    const second = await pair()
    const closed = closing(second.server)
    second.client.socket.terminate()
    expect((await closed).code).toBe(1006)
    expect(await second.log.line('tunnel.closed')).toMatchObject({ closeCode: 1006, endedBy: 'client' })
  })

  test('a drain is 1001 for both', async () => {
    const codes: number[] = []
    const backend = await echoServer({
      onConnection: (socket) => socket.on('close', (code) => codes.push(code)),
    })
    const { port, gateway } = await stage.gateway({ backends: [backend.address] })
    const clients = [await talker(port), await talker(port), await talker(port)]
    await gateway.drain(60_000)
    for (const client of clients) {
      expect(await client.closed).toEqual({ code: 1001, reason: 'gateway stopping' })
    }
    await eventually(() => codes.length === 3)
    expect(codes).toEqual([1001, 1001, 1001])
  })
})
