import fc from 'fast-check'
import { afterEach, describe, expect, test } from 'vitest'
import { Stage } from './support/stage.ts'

const stage = new Stage()
afterEach(() => stage.close())

/** What attackers build requests of; the order is left to chance. */
const pieces = [
  'GET / HTTP/1.1\r\n',
  'POST / HTTP/1.1\r\n',
  'HEAD / HTTP/1.1\r\n',
  'GET /hidden HTTP/1.1\r\nHost: a.test\r\n\r\n',
  'POST /x HTTP/1.0\r\n',
  'Host: a.test\r\n',
  'Host: a.test\r\n\r\n',
  'Content-Length: 0\r\n',
  'Content-Length: 5\r\n',
  'Content-Length: 37\r\n',
  'Content-Length: 05\r\n',
  'Content-Length : 5\r\n',
  'Content-Length: 5, 5\r\n',
  'Transfer-Encoding: chunked\r\n',
  'Transfer-Encoding: Chunked\r\n',
  'Transfer-Encoding: chunked, chunked\r\n',
  'Transfer-Encoding: xchunked\r\n',
  'Transfer-Encoding:\tchunked\r\n',
  'transfer-encoding: identity\r\n',
  'Transfer_Encoding: chunked\r\n',
  ' Transfer-Encoding: chunked\r\n',
  'X: y\nTransfer-Encoding: chunked\r\n',
  'X: y\rTransfer-Encoding: chunked\r\n',
  'Connection: Content-Length, Transfer-Encoding\r\n',
  'Connection: close\r\n',
  'Connection: keep-alive\r\n',
  'Expect: 100-continue\r\n',
  'Upgrade: h2c\r\nConnection: Upgrade\r\n',
  'Trailer: X\r\n',
  '\r\n',
  '\n',
  '\r',
  '\0',
  '{"a"}',
  '5\r\n{"a"}\r\n',
  '05\r\n{"a"}\r\n',
  '5;x=\ny\r\n{"a"}\r\n',
  '0\r\n\r\n',
  '0\r\nX: 1\r\n\r\n',
  '0\r\nContent-Length: 9\r\n\r\n',
  '-1\r\n',
  'ffffffffffffffff\r\n',
] as const

const anything = fc.array(fc.constantFrom(...pieces), { maxLength: 6 }).map((parts) => parts.join(''))

const methods = ['GET', 'POST', 'HEAD', 'DELETE']
const start = fc.constantFrom(...methods).map((method) => `${method} / HTTP/1.1\r\n`)
const framing = fc.constantFrom(
  '',
  'Content-Length: 5\r\n',
  'Content-Length: 0\r\n',
  'Content-Length: 37\r\n',
  'Transfer-Encoding: chunked\r\n',
)
const body = fc.constantFrom(
  '',
  '{"a"}',
  '5\r\n{"a"}\r\n0\r\n\r\n',
  '0\r\n\r\n',
  '5\r\n{"a"}\r\n0\r\nX: 1\r\n\r\n',
)
const maybe = fc.oneof({ weight: 3, arbitrary: fc.constant('') }, { weight: 1, arbitrary: anything })

/** Requests that are right or nearly so: most of them get far. */
const requests = fc
  .array(
    fc
      .tuple(start, framing, maybe, body, maybe)
      .map(
        ([line, lengths, odd, data, behind]) => `${line}Host: a.test\r\n${lengths}${odd}\r\n${data}${behind}`,
      ),
    { minLength: 1, maxLength: 4 },
  )
  .map((all) => all.join(''))

const bytesOf = fc.oneof({ weight: 1, arbitrary: anything }, { weight: 4, arbitrary: requests })

describe('whatever a client sends', () => {
  test('a backend sees no request that the gateway did not mean to send, and nothing malformed', async () => {
    let seen = 0
    const complaints: string[] = []
    const backend = await stage.http((incoming, response) => {
      seen++
      incoming.resume()
      incoming.on('end', () => response.end('ok')).on('error', () => response.destroy())
    })
    backend.onComplaint((code) => complaints.push(code))
    const { port, gateway, log } = await stage.gateway({
      backends: [backend.address],
      timeouts: { requestHead: '100ms', requestBodyIdle: '100ms', clientIdle: '100ms' },
    })
    const meant = () => gateway.backends[0]?.requests ?? 0
    await fc.assert(
      fc.asyncProperty(bytesOf, fc.nat(40), async (bytes, cut) => {
        const client = await stage.client(port)
        await client.flush(Buffer.from(bytes.slice(0, cut), 'latin1'))
        client.send(bytes.slice(cut)).end()
        await client.ending()
        client.close()
        expect(seen).toBeLessThanOrEqual(meant())
      }),
      { numRuns: 400 },
    )
    const last = await stage.client(port)
    last.send('GET /last HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n\r\n')
    expect((await last.message()).body).toBe('ok')
    expect(seen).toBeLessThanOrEqual(meant())
    expect(seen).toBeGreaterThan(100)
    // Cut by a length, `GET` may become the method `ET`, which the gateway forwards and the backend refuses.
    const odd = log.of('request.completed').filter(({ method }) => !methods.includes(method as string))
    expect(complaints.filter((code) => code === 'HPE_INVALID_METHOD').length).toBeLessThanOrEqual(odd.length)
    // A client that breaks a request off makes the gateway do so; anything else would be our mistake.
    const fair = ['HPE_INVALID_METHOD', 'HPE_INVALID_EOF_STATE']
    expect(complaints.filter((code) => code.startsWith('HPE_') && !fair.includes(code))).toEqual([])
    expect(log.lines.filter(({ level }) => level === 'error')).toEqual([])
  }, 60_000)
})
