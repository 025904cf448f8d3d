import { afterEach, describe, expect, test } from 'vitest'
import { Stage } from './support/stage.ts'
import type { Wire } from './support/wire.ts'

const stage = new Stage()
afterEach(() => stage.close())

const get = 'GET /x HTTP/1.1\r\nHost: a.test\r\n\r\n'

/** A client in front of a gateway whose backend answers its first request with exactly these bytes. */
async function answered(
  bytes: string,
  then: (backend: Wire) => unknown = () => {},
  options: Parameters<Stage['gateway']>[0] = {},
) {
  const backend = await stage.raw(async (wire) => {
    await wire.until('\r\n\r\n')
    wire.send(bytes)
    await then(wire)
  })
  const running = await stage.gateway({ backends: [backend.address], ...options })
  return { ...running, backend, client: await stage.client(running.port) }
}

describe('answers of every framing reach the client as they are', () => {
  test('a body with a length', async () => {
    const { client } = await answered('HTTP/1.1 201 Made\r\nContent-Length: 5\r\nX-A: 1\r\n\r\nhello')
    const answer = await client.send(get).message()
    expect(answer.start).toBe('HTTP/1.1 201 Made')
    expect(answer.body).toBe('hello')
    expect(answer.fields.get('x-a')).toEqual(['1'])
    expect(answer.fields.has('connection')).toBe(false)
  })

  test('a chunked body with trailers', async () => {
    const { client } = await answered(
      'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n5;ext=1\r\nhello\r\n0\r\nX-Sum: 7\r\nContent-Length: 9\r\n\r\n',
    )
    const answer = await client.send(get).message()
    expect(answer.body).toBe('hello')
    expect(answer.trailers).toEqual(['X-Sum: 7'])
    expect(answer.rawBody).not.toContain('ext')
  })

  test('a body until close comes in chunks, and the client connection goes on', async () => {
    const { client, backend } = await answered('HTTP/1.1 200 OK\r\n\r\nuntil the end', (wire) => wire.end())
    const answer = await client.send(get).message()
    expect(answer.body).toBe('until the end')
    expect(answer.fields.get('transfer-encoding')).toEqual(['chunked'])
    expect(answer.fields.get('connection')).toBe(undefined)
    expect(await (await backend.connection(0)).ending()).toBe('fin')
    expect((await client.send(get).message()).body).toBe('until the end')
  })

  test('a body until close that comes in parts arrives in parts', async () => {
    let backend: Wire | undefined
    const { client } = await answered('HTTP/1.1 200 OK\r\n\r\nfirst', (wire) => {
      backend = wire
    })
    await client.send(get).until('first')
    backend?.send(' second')
    await client.until('second')
    backend?.end()
    await client.until('\r\n0\r\n\r\n')
  })

  test('a body until close of no bytes', async () => {
    const { client } = await answered('HTTP/1.1 200 OK\r\n\r\n', (wire) => wire.end())
    expect((await client.send(get).message()).body).toBe('')
  })

  test('a client of HTTP/1.0 gets a body until close as it is', async () => {
    const { client } = await answered('HTTP/1.1 200 OK\r\n\r\nuntil the end', (wire) => wire.end())
    const { text, ending } = await client.send('GET /x HTTP/1.0\r\nConnection: keep-alive\r\n\r\n').rest()
    expect(text).toMatch(/Connection: close\r\n\r\nuntil the end$/)
    expect(ending).toBe('fin')
  })

  test('a 426 of the backend says which protocol it wants', async () => {
    const { client } = await answered(
      'HTTP/1.1 426 Upgrade Required\r\nConnection: upgrade\r\nUpgrade: chat/2\r\nContent-Length: 0\r\n\r\n',
    )
    const { fields } = await client.send(get).message()
    expect([fields.get('upgrade'), fields.get('connection')]).toEqual([['chat/2'], ['Upgrade']])
  })

  test.each([
    ['204', 'HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\n', 'GET'],
    ['304', 'HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\nETag: "1"\r\n\r\n', 'GET'],
    ['HEAD', 'HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n', 'HEAD'],
    ['HEAD of a chunked body', 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n', 'HEAD'],
    ['an empty body', 'HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n', 'GET'],
    ['205', 'HTTP/1.1 205 Reset Content\r\nContent-Length: 0\r\n\r\n', 'GET'],
  ])('%s has no body and keeps both connections open', async (_name, bytes, method) => {
    const { client, backend } = await answered(bytes, async (wire) => {
      await wire.until('\r\n\r\n')
      wire.send('HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nsecond')
    })
    await client.send(get.replace('GET', method)).message(method === 'HEAD' ? 'response to HEAD' : 'response')
    expect((await client.send(get).message()).body).toBe('second')
    expect(backend.connections.length).toBe(1)
  })

  test('interim answers come first, in order', async () => {
    const { client } = await answered(
      'HTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\n\r\nHTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n!',
    )
    client.send(get)
    const hints = await client.message()
    expect([hints.status, hints.fields.get('link')]).toEqual([103, ['</a.css>']])
    expect((await client.message()).status).toBe(102)
    expect((await client.message()).body).toBe('!')
  })

  test('an answer split after every byte arrives whole', async () => {
    const bytes = 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nX-T: 1\r\n\r\n'
    const { client } = await answered('', async (wire) => {
      for (const byte of bytes) await wire.flush(Buffer.from(byte))
    })
    const answer = await client.send(get).message()
    expect([answer.body, answer.trailers]).toEqual(['abc', ['X-T: 1']])
  })
})

describe('a client of HTTP/1.0', () => {
  const old = 'GET /x HTTP/1.0\r\n\r\n'
  const kept = 'GET /x HTTP/1.0\r\nConnection: keep-alive\r\n\r\n'
  const chunks =
    'HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n1\r\nc\r\n0\r\nX-T: 1\r\n\r\n'

  test.each([old, kept])('gets a chunked body without chunks, ended by close (%j)', async (request) => {
    const { client } = await answered(chunks)
    const { text, ending } = await client.send(request).rest()
    expect(text).toBe('HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nabc')
    expect(ending).toBe('fin')
  })

  test('keeps its connection when it asked to and the length is known', async () => {
    const { client } = await answered('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi', (wire) =>
      wire.send('HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nagain'),
    )
    const answer = await client.send(kept).message()
    expect(answer.fields.get('connection')).toEqual(['keep-alive'])
  })

  test('is disconnected after its answer otherwise', async () => {
    const { client } = await answered('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi')
    const { text, ending } = await client.send(old).rest()
    expect(text).toMatch(/\r\nConnection: close\r\n\r\nhi$/)
    expect(ending).toBe('fin')
  })
})

describe('a backend that breaks its answer off breaks it for the client too', () => {
  const heads = [
    ['a length', 'HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf'],
    ['chunks', 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n'],
    ['chunks, the last one cut', 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\nhalf'],
    [
      'chunks without the last line end',
      'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n0\r\n',
    ],
  ] as const

  test.each(heads)('%s, by FIN', async (_name, bytes) => {
    const { client, log } = await answered(bytes, (wire) => wire.end())
    expect((await client.send(get).rest()).ending).toBe('reset')
    expect((await log.line('request.completed')).code).toBe('BACKEND_CLOSED')
  })

  test.each([...heads, ['a body until close', 'HTTP/1.1 200 OK\r\n\r\nhalf'] as const])(
    '%s, by reset',
    async (_name, bytes) => {
      let backend: Wire | undefined
      const { client } = await answered(bytes, (wire) => {
        backend = wire
      })
      await client.send(get).until('half')
      backend?.reset()
      expect(await client.ending()).toBe('reset')
    },
  )

  test('a client of HTTP/1.0 sees a reset, never a clean end', async () => {
    const { client } = await answered(heads[1][1], (wire) => wire.end())
    expect((await client.send('GET /x HTTP/1.0\r\n\r\n').rest()).ending).toBe('reset')
  })

  test('a chunked body that turns to nonsense is cut', async () => {
    const { client, log } = await answered(
      'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalfXX-never-seen',
    )
    const { text, ending } = await client.send(get).rest()
    expect(ending).toBe('reset')
    expect(text).not.toContain('never-seen')
    expect((await log.line('request.completed')).code).toBe('BACKEND_RESPONSE_INVALID')
  })
})

describe('an answer that is no valid answer becomes 502', () => {
  const ok = 'HTTP/1.1 200 OK\r\n'
  test.each([
    ['both framings', `${ok}Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`],
    ['two lengths', `${ok}Content-Length: 3\r\nContent-Length: 3\r\n\r\nabc`],
    ['no HTTP', 'SSH-2.0-OpenSSH_9.0\r\n\r\n'],
    ['a bare LF', 'HTTP/1.1 200 OK\nContent-Length: 0\r\n\r\n'],
    ['a folded line', `${ok}X-A: 1\r\n 2\r\nContent-Length: 0\r\n\r\n`],
    ['a space before the colon', `${ok}Content-Length : 0\r\n\r\n`],
    ['an unknown coding', `${ok}Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n`],
    ['an unasked 101', 'HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n'],
    ['a head too large', `${ok}X-Big: ${'x'.repeat(17_000)}\r\n\r\n`],
    ['too many fields', `${ok}${'X-A: 1\r\n'.repeat(101)}\r\n`],
  ])('%s', async (_name, bytes) => {
    const { client, log } = await answered(bytes)
    const answer = await client.send(get).message()
    expect(answer.start).toBe('HTTP/1.1 502 Bad Gateway')
    expect(answer.body).toContain('BACKEND_RESPONSE_INVALID')
    expect((await log.line('request.completed')).status).toBe(502)
    // It was our fault or the backend's, so the client may go on.
    expect((await client.send(get).message()).status).toBe(502)
  })

  test('a backend that closes without a word', async () => {
    const { client } = await answered('', (wire) => wire.end())
    expect((await client.send(get).message()).body).toContain('BACKEND_CLOSED')
  })

  test('a backend that closes within its head', async () => {
    const { client } = await answered('HTTP/1.1 200 OK\r\nConte', (wire) => wire.end())
    expect((await client.send(get).message()).status).toBe(502)
  })
})

test('bytes behind an answer never reach a client, and their connection is not used again', async () => {
  const extra = 'HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison'
  const { client, backend } = await answered(`HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi${extra}`)
  expect((await client.send(get).message()).body).toBe('hi')
  expect(await (await backend.connection(0)).ending()).toBe('reset')
  client.send(get)
  const second = await backend.connection(1)
  expect(second).toBeDefined()
  expect((await client.message()).body).toBe('hi')
  expect(client.pending).toBe(0)
})
