import { createHash } from 'node:crypto'
import { Agent, type IncomingMessage, type RequestOptions, request } from 'node:http'
import { afterEach, describe, expect, test } from 'vitest'
import { Stage } from './support/stage.ts'

const stage = new Stage()
afterEach(() => stage.close())

function sha(data: Uint8Array): string {
  return createHash('sha256').update(data).digest('hex')
}

/** What this runtime's HTTP client makes of an answer. */
interface Answer {
  readonly response: IncomingMessage
  readonly body: Buffer
}

async function ask(options: RequestOptions, body: readonly Uint8Array[] = []): Promise<Answer> {
  const response = await new Promise<IncomingMessage>((resolve, reject) => {
    const outgoing = request({ host: '127.0.0.1', ...options }, resolve).on('error', reject)
    for (const part of body) outgoing.write(part)
    outgoing.end()
  })
  const parts: Buffer[] = []
  for await (const part of response) parts.push(part as Buffer)
  return { response, body: Buffer.concat(parts) }
}

describe("this runtime's own HTTP client and server, with the gateway between them", () => {
  test.each(['length', 'chunked'] as const)(
    'echo 5 MB byte by byte the same, with %s framing',
    async (framing) => {
      const backend = await stage.http((incoming, response) => {
        const length = incoming.headers['content-length']
        if (length !== undefined) response.setHeader('Content-Length', length)
        incoming.pipe(response)
      })
      const { port } = await stage.gateway({ backends: [backend.address] })
      const data = Buffer.alloc(5_000_000)
      for (let i = 0; i < data.length; i++) data[i] = (i * 7919) >> 5
      const headers =
        framing === 'length' ? { 'Content-Length': data.length } : { 'Transfer-Encoding': 'chunked' }
      const { response, body } = await ask({ port, method: 'POST', headers }, [
        data.subarray(0, 1_234_567),
        data.subarray(1_234_567),
      ])
      expect(response.statusCode).toBe(200)
      expect(sha(body)).toBe(sha(data))
    },
  )

  test('many requests at once over kept connections, each with its own answer', async () => {
    const backend = await stage.http((incoming, response) => response.end(incoming.url))
    const { port, gateway } = await stage.gateway({ backends: [backend.address] })
    const agent = new Agent({ keepAlive: true, maxSockets: 10 })
    stage.add(() => agent.destroy())
    const answers = await Promise.all(
      Array.from({ length: 200 }, (_, i) => ask({ port, agent, path: `/${i}` })),
    )
    expect(answers.map(({ body }) => body.toString())).toEqual(Array.from({ length: 200 }, (_, i) => `/${i}`))
    expect(gateway.backends[0]?.requests).toBe(200)
    expect(backend.connections).toBeLessThanOrEqual(10)
  })

  test('fetch gets what it asked for', async () => {
    const backend = await stage.http((incoming, response) => {
      response.writeHead(incoming.method === 'DELETE' ? 204 : 200, { 'X-Method': incoming.method })
      response.end(incoming.method === 'DELETE' ? undefined : 'body')
    })
    const { port } = await stage.gateway({ backends: [backend.address] })
    for (const method of ['GET', 'HEAD', 'POST', 'PUT', 'DELETE', 'PATCH', 'OPTIONS']) {
      const response = await fetch(`http://127.0.0.1:${port}/x`, { method })
      expect(response.headers.get('x-method')).toBe(method)
      expect(await response.text()).toBe(method === 'HEAD' || method === 'DELETE' ? '' : 'body')
    }
  })

  test('a broken answer is an error for fetch, never a short body', async () => {
    const backend = await stage.http((_incoming, response) => {
      response.write('half')
      // Let the first half out, then die.
      setImmediate(() => response.destroy())
    })
    const { port } = await stage.gateway({ backends: [backend.address] })
    const text = fetch(`http://127.0.0.1:${port}/x`).then((response) => response.text())
    await expect(text).rejects.toThrow()
  })
})
