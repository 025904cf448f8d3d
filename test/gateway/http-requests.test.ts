import { afterEach, describe, expect, test } from 'vitest'
import { Stage } from './support/stage.ts'
import type { Wire } from './support/wire.ts'

const stage = new Stage()
afterEach(() => stage.close())

const post = 'POST /x HTTP/1.1\r\nHost: a.test\r\n'
const ok = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok'

/** A client and a backend that the test drives, with the gateway between them. */
async function between(options: Parameters<Stage['gateway']>[0] = {}) {
  const backend = await stage.raw()
  const running = await stage.gateway({ backends: [backend.address], ...options })
  return { ...running, backend, client: await stage.client(running.port) }
}

describe('request bodies', () => {
  test.each([
    ['a length', `${post}Content-Length: 5\r\n\r\nhello`, 'hello', []],
    ['a length of zero', `${post}Content-Length: 0\r\n\r\n`, '', []],
    ['chunks', `${post}Transfer-Encoding: chunked\r\n\r\n3\r\nhel\r\n2\r\nlo\r\n0\r\n\r\n`, 'hello', []],
    [
      'chunks and trailers',
      `${post}Transfer-Encoding: chunked\r\n\r\n5;a=b\r\nhello\r\n0\r\nX-T: 1\r\nHost: evil\r\n\r\n`,
      'hello',
      ['X-T: 1'],
    ],
    ['no bytes at all', `${post}\r\n`, '', []],
  ])('with %s reach the backend, whole or byte by byte', async (_name, request, body, trailers) => {
    const { backend, client } = await between()
    client.send(request)
    const wire = await backend.connection(0)
    const first = await wire.message('request')
    expect([first.body, first.trailers]).toEqual([body, trailers])
    wire.send(ok)
    await client.message()

    for (const byte of request) await client.flush(Buffer.from(byte))
    const second = await wire.message('request')
    expect([second.body, second.trailers]).toEqual([body, trailers])
    expect(second.start).toBe('POST /x HTTP/1.1')
    wire.send(ok)
    expect((await client.message()).body).toBe('ok')
    expect(backend.connections.length).toBe(1)
  })

  test('whose first chunk size comes in two pieces, one of them before there is a backend, are no hindrance', async () => {
    const { backend, client } = await between()
    client.send(`${post}Transfer-Encoding: chunked\r\n\r\n5`)
    const wire = await backend.connection(0)
    client.send('\r\nhello\r\n0\r\n\r\n')
    expect((await wire.message('request')).body).toBe('hello')
  })

  test('that end early are a cut for the backend', async () => {
    const { backend, client, log } = await between()
    client.send(`${post}Content-Length: 10\r\n\r\nhalf`)
    const wire = await backend.connection(0)
    await wire.until('half')
    client.close()
    expect(await wire.ending()).toBe('reset')
    expect(await log.line('request.completed')).toMatchObject({ code: 'CLIENT_GONE', bytesFromClient: 4 })
  })

  test('whose client resets are a cut for the backend', async () => {
    const { backend, client } = await between()
    client.send(`${post}Transfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n`)
    const wire = await backend.connection(0)
    await wire.until('half')
    client.reset()
    expect(await wire.ending()).toBe('reset')
  })
})

describe('an answer before the end of the request', () => {
  test('reaches the client while its body is still coming, and says that the connection closes', async () => {
    const { backend, client } = await between()
    client.send(`${post}Content-Length: 1000000\r\n\r\n${'x'.repeat(1000)}`)
    const wire = await backend.connection(0)
    await wire.until('xxx')
    wire.send('HTTP/1.1 413 Content Too Large\r\nContent-Length: 4\r\n\r\nbig!')
    const answer = await client.message()
    expect([answer.status, answer.body]).toEqual([413, 'big!'])
    expect(answer.fields.get('connection')).toEqual(['close'])
    expect(await client.ending()).toBe('fin')
  })

  test('survives a backend that resets after it', async () => {
    const { backend, client } = await between()
    client.send(`${post}Content-Length: 1000000\r\n\r\n${'x'.repeat(1000)}`)
    const wire = await backend.connection(0)
    // Closing with unread bytes makes the kernel send a reset.
    wire.socket.pause()
    wire.send('HTTP/1.1 413 Content Too Large\r\nContent-Length: 4\r\n\r\nbig!').end()
    client.send('y'.repeat(100_000))
    wire.close()
    expect((await client.message()).body).toBe('big!')
  })

  test('may stream while the request still streams', async () => {
    const { backend, client } = await between()
    client.send(`${post}Transfer-Encoding: chunked\r\n\r\n1\r\na\r\n`)
    const wire = await backend.connection(0)
    await wire.until('a\r\n')
    wire.send('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nA\r\n')
    await client.until('A\r\n')
    client.send('1\r\nb\r\n0\r\n\r\n')
    await wire.until('b\r\n0\r\n\r\n')
    wire.send('1\r\nB\r\n0\r\n\r\n')
    const { text, ending } = await client.rest()
    expect(text).toBe('1\r\nB\r\n0\r\n\r\n')
    expect(ending).toBe('fin')
  })
})

describe('Expect: 100-continue', () => {
  const head = `${post}Content-Length: 5\r\nExpect: 100-continue\r\n\r\n`

  test('passes to the backend, and its 100 to the client', async () => {
    const { backend, client } = await between()
    client.send(head)
    const wire = await backend.connection(0)
    expect(await wire.until('\r\n\r\n')).toContain('\r\nExpect: 100-continue\r\n')
    wire.send('HTTP/1.1 100 Continue\r\n\r\n')
    expect((await client.message()).status).toBe(100)
    client.send('hello')
    expect((await wire.bytes(5)).toString()).toBe('hello')
    wire.send(ok)
    const answer = await client.message()
    expect(answer.body).toBe('ok')
    expect(answer.fields.has('connection')).toBe(false)
  })

  test('a final answer without 100 closes the connection, and what follows is no request', async () => {
    const { backend, client } = await between()
    client.send(head)
    const wire = await backend.connection(0)
    await wire.until('\r\n\r\n')
    wire.send('HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n')
    const answer = await client.message()
    expect(answer.fields.get('connection')).toEqual(['close'])
    client.send('GET /smuggled HTTP/1.1\r\nHost: a.test\r\n\r\n')
    expect(await client.ending()).toBe('fin')
    expect(await wire.ending()).toBe('reset')
    expect(backend.connections.length).toBe(1)
  })

  test('an unknown expectation is refused', async () => {
    const { client } = await between()
    expect((await client.send(`${post}Expect: tea\r\n\r\n`).message()).status).toBe(417)
  })

  test('a backend that neither asks for the body nor answers is to blame', async () => {
    const { client } = await between({ timeouts: { requestBodyIdle: '100ms' } })
    const answer = await client.send(head).message()
    expect([answer.status, answer.body.includes('BACKEND_RESPONSE_TIMEOUT')]).toEqual([504, true])
  })
})

describe('a body that is no valid body', () => {
  const chunked = `${post}Transfer-Encoding: chunked\r\n\r\n`
  const hidden = 'GET /smuggled HTTP/1.1\r\nHost: a.test\r\n\r\n'
  test.each([
    ['a size that is no number', `${chunked}zz\r\n${hidden}`],
    ['a size with a sign', `${chunked}+5\r\nhello\r\n0\r\n\r\n${hidden}`],
    ['a size with 0x', `${chunked}0x5\r\nhello\r\n0\r\n\r\n${hidden}`],
    ['data longer than its size', `${chunked}3\r\nhello\r\n0\r\n\r\n${hidden}`],
    ['a bare LF behind a size', `${chunked}5\nhello\r\n0\r\n\r\n${hidden}`],
    ['a bare LF in an extension', `${chunked}5;\nx\r\nhello\r\n0\r\n\r\n${hidden}`],
    ['a bad trailer', `${chunked}0\r\nX : 1\r\n\r\n${hidden}`],
    ['a size beyond counting', `${chunked}fffffffffffffffff\r\n${hidden}`],
  ])('is answered 400, and nothing behind it is a request: %s', async (_name, bytes) => {
    const { client, backend, log } = await between()
    client.send(bytes)
    const answer = await client.message()
    expect([answer.status, answer.body.includes('REQUEST_BODY_MALFORMED')]).toEqual([400, true])
    expect(await client.ending()).toBe('fin')
    expect(log.of('request.completed').length).toBe(1)
    for (const wire of backend.connections) {
      const { text } = await wire.rest()
      expect(text).not.toContain('smuggled')
      expect(text.endsWith('0\r\n\r\n')).toBe(false)
    }
  })

  test('breaks off what the backend already had', async () => {
    const { client, backend } = await between()
    client.send(`${chunked}5\r\nhello\r\n`)
    const wire = await backend.connection(0)
    await wire.until('hello')
    client.send(`nonsense\r\n0\r\n\r\n${hidden}`)
    expect((await client.message()).status).toBe(400)
    expect((await wire.rest()).ending).toBe('reset')
  })

  test.each([
    ['both framings', 'Content-Length: 4\r\nTransfer-Encoding: chunked\r\n'],
    ['two lengths', 'Content-Length: 0\r\nContent-Length: 44\r\n'],
    ['a list of lengths', 'Content-Length: 0, 44\r\n'],
    ['a signed length', 'Content-Length: +0\r\n'],
    ['chunked twice', 'Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n'],
    ['chunked not last', 'Transfer-Encoding: chunked, identity\r\n'],
    ['a hidden Transfer-Encoding', 'Content-Length: 44\r\nTransfer-Encoding : chunked\r\n'],
    ['a disguised Transfer-Encoding', 'Content-Length: 44\r\nTransfer-Encoding: \x0bchunked\r\n'],
    ['a folded Transfer-Encoding', 'Content-Length: 44\r\nTransfer-Encoding:\r\n chunked\r\n'],
  ])('never begins with a head of doubtful framing: %s', async (_name, fields) => {
    const { client, backend } = await between()
    client.send(`${post}${fields}\r\n0\r\n\r\n${hidden}`)
    expect((await client.message()).status).toBe(400)
    expect(await client.ending()).toBe('fin')
    expect(backend.connections.length).toBe(0)
  })
})

test('a client that half-closes after its request still gets the answer', async () => {
  const { client, backend } = await between()
  client.send(`${post}Content-Length: 2\r\n\r\nhi`).end()
  const wire: Wire = await backend.connection(0)
  await wire.message('request')
  wire.send(ok)
  expect((await client.rest()).text).toMatch(/ok$/)
})
