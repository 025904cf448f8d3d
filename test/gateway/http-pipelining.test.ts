import { afterEach, describe, expect, test } from 'vitest'
import { settled } from './support/settled.ts'
import { Stage } from './support/stage.ts'

const stage = new Stage()
afterEach(() => stage.close())

const get = (path: string) => `GET ${path} HTTP/1.1\r\nHost: a.test\r\n\r\n`

/** A client of a gateway whose only route is `/known`, to a backend that answers with the path. */
async function echoingPaths() {
  const backend = await stage.http((request, response) => {
    request.resume().on('end', () => response.end(request.url))
  })
  const { port, log } = await stage.gateway({
    pools: { main: { backends: [backend.address] } },
    routes: [{ match: { path: '/known' }, pool: 'main' }],
  })
  return Object.assign(await stage.client(port), { log })
}

describe('requests that come before the answer to the one before', () => {
  test('are answered in order', async () => {
    const client = await echoingPaths()
    client.send(get('/known/1') + get('/unknown') + get('/known/3'))
    expect((await client.message()).body).toBe('/known/1')
    expect((await client.message()).status).toBe(404)
    expect((await client.message()).body).toBe('/known/3')
  })

  test('are answered in order when every byte comes alone', async () => {
    const client = await echoingPaths()
    for (const byte of get('/known/1') + get('/unknown') + get('/known/3'))
      await client.flush(Buffer.from(byte))
    expect((await client.message()).body).toBe('/known/1')
    expect((await client.message()).status).toBe(404)
    expect((await client.message()).body).toBe('/known/3')
  })

  test.each([
    ['a length', 'Content-Length: 3\r\n\r\nabc'],
    ['chunks', 'Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nX-T: 1\r\n\r\n'],
    ['no bytes', 'Content-Length: 0\r\n\r\n'],
  ])('start behind a body with %s', async (_name, rest) => {
    const client = await echoingPaths()
    client.send(`POST /known/1 HTTP/1.1\r\nHost: a.test\r\n${rest}${get('/known/2')}`)
    expect((await client.message()).body).toBe('/known/1')
    expect((await client.message()).body).toBe('/known/2')
  })

  test('2,000 to nowhere are all answered, without a word from a backend', async () => {
    const client = await echoingPaths()
    client.send(get('/unknown').repeat(2000))
    for (let i = 0; i < 2000; i++) expect((await client.message()).status).toBe(404)
  })

  test('500 to a backend are all answered, in order', async () => {
    const client = await echoingPaths()
    client.send(Array.from({ length: 500 }, (_, i) => get(`/known/${i}`)).join(''))
    for (let i = 0; i < 500; i++) expect((await client.message()).body).toBe(`/known/${i}`)
  })

  test('wait while their client does not read, and go on when it does', async () => {
    const client = await echoingPaths()
    client.socket.pause()
    const count = 60_000
    client.send(get('/unknown').repeat(count))
    // Far more answers than the kernel's buffers hold: the gateway has to stop reading, not to queue them.
    const answered = await settled(() => client.log.lines.length)
    expect(answered).toBeLessThan(2 * count)
    client.socket.resume()
    let last = ''
    for (let i = 0; i < count; i++) last = await client.until(')\n')
    expect(last).toContain('404')
  })

  test('with the end of the stream right behind them are answered all the same', async () => {
    const client = await echoingPaths()
    client.send(get('/known/1') + get('/known/2')).end()
    expect((await client.message()).body).toBe('/known/1')
    expect((await client.message()).body).toBe('/known/2')
    expect(await client.ending()).toBe('fin')
  })

  test('are not answered after one that asked to close', async () => {
    const client = await echoingPaths()
    client.send(`GET /known/1 HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n\r\n${get('/known/2')}`)
    const { text, ending } = await client.rest()
    expect(text).toMatch(/Connection: close\r\n\r\n\/known\/1$/)
    expect(ending).toBe('fin')
  })
})
