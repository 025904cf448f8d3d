import { afterEach, describe, expect, test } from 'vitest'
import { blackHole } from './support/black-hole.ts'
import { answering } from './support/raw-backend.ts'
import { Stage } from './support/stage.ts'
import type { Wire } from './support/wire.ts'

const stage = new Stage()
afterEach(() => stage.close())

const get = 'GET /x HTTP/1.1\r\nHost: a.test\r\n\r\n'
const short = '150ms'

async function between(options: Parameters<Stage['gateway']>[0]) {
  const backend = await stage.raw()
  const running = await stage.gateway({ backends: [backend.address], ...options })
  return { ...running, backend, client: await stage.client(running.port) }
}

describe('deadlines of the client', () => {
  test('a connection that says nothing is closed without an answer', async () => {
    const { client } = await between({ timeouts: { requestHead: short } })
    expect(await client.rest()).toEqual({ text: '', ending: 'fin' })
  })

  test('a head that stops coming is answered 408', async () => {
    const { client, log } = await between({ timeouts: { requestHead: short } })
    client.send('GET /x HTTP/1.1\r\nHo')
    const answer = await client.message()
    expect([answer.status, answer.fields.get('connection')]).toEqual([408, ['close']])
    expect(await client.ending()).toBe('fin')
    expect((await log.line('request.refused')).code).toBe('REQUEST_HEAD_TIMEOUT')
  })

  test('a head that comes byte by byte does not move its deadline', async () => {
    const { client } = await between({ timeouts: { requestHead: '300ms' } })
    let answered = false
    const answer = client.message().then((message) => {
      answered = true
      return message
    })
    client.send('GET /x HTTP/1.1\r\nX-A: ')
    for (let i = 0; i < 10_000 && !answered; i++) await client.flush(Buffer.from('a')).then(turn)
    expect((await answer).status).toBe(408)
  })

  test('a body that stops coming is answered 408, and its backend hears no end', async () => {
    const { client, backend } = await between({ timeouts: { requestBodyIdle: short } })
    client.send('POST /x HTTP/1.1\r\nHost: a.test\r\nContent-Length: 9\r\n\r\nhalf')
    const answer = await client.message()
    expect([answer.status, answer.body.includes('REQUEST_BODY_TIMEOUT')]).toEqual([408, true])
    expect(await client.ending()).toBe('fin')
    expect((await (await backend.connection(0)).rest()).ending).toBe('reset')
  })

  test('a connection that stays idle between requests is closed without a word', async () => {
    const backend = await stage.raw(answering('ok'))
    const { port } = await stage.gateway({ backends: [backend.address], timeouts: { clientIdle: short } })
    const client = await stage.client(port)
    await client.send(get).message()
    expect(await client.rest()).toEqual({ text: '', ending: 'fin' })
  })

  // An unasked 408 would be taken for the answer to the next request.
  test('a line end behind a request is not the beginning of another one', async () => {
    const backend = await stage.raw(answering('ok'))
    const { port } = await stage.gateway({
      backends: [backend.address],
      timeouts: { requestHead: short, clientIdle: '400ms' },
    })
    const client = await stage.client(port)
    await client.send(get).message()
    client.send('\r\n')
    expect(await client.rest()).toEqual({ text: '', ending: 'fin' })
  })

  test('a body is not late while a slow backend takes it bit by bit', async () => {
    const { client, backend } = await between({ timeouts: { requestBodyIdle: '200ms' } })
    const body = Buffer.alloc(24 * 1024 * 1024, 'x')
    client.send(`POST /x HTTP/1.1\r\nHost: a.test\r\nContent-Length: ${body.length}\r\n\r\n`).send(body)
    const wire = await backend.connection(0)
    await wire.until('\r\n\r\n')
    const started = performance.now()
    for (let left = body.length; left > 0; ) {
      wire.socket.pause()
      // Slower than the deadline as a whole, never idle for as long.
      const at = performance.now()
      while (performance.now() - at < 40) await turn()
      wire.socket.resume()
      left -= (await wire.bytes(Math.min(left, 1024 * 1024))).length
    }
    expect(performance.now() - started).toBeGreaterThan(400)
    wire.send('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok')
    expect((await client.message()).body).toBe('ok')
  })

  test('a body that its backend stops taking is answered 504', async () => {
    const { client, backend } = await between({ timeouts: { requestBodyIdle: short } })
    const body = Buffer.alloc(24 * 1024 * 1024, 'x')
    client.send(`POST /x HTTP/1.1\r\nHost: a.test\r\nContent-Length: ${body.length}\r\n\r\n`).send(body)
    const wire = await backend.connection(0)
    wire.socket.pause()
    const answer = await client.message()
    expect([answer.status, answer.body.includes('BACKEND_BODY_TIMEOUT')]).toEqual([504, true])
  })

  test('a client that reads its last answer slowly gets all of it, long after the gateway has let go', async () => {
    const body = 'x'.repeat(1024 * 1024)
    const backend = await stage.raw(answering(body))
    const { gateway, port } = await stage.gateway({ backends: [backend.address] })
    const client = await stage.client(port)
    client.socket.pause()
    client.send(get.replace('\r\n\r\n', '\r\nConnection: close\r\n\r\n'))
    await backend.connection(0)
    await gateway.drain(15_000)
    client.socket.resume()
    expect((await client.message()).body.length).toBe(body.length)
    expect(await client.ending()).toBe('fin')
  })

  test('a client that stops taking its answer is cut', async () => {
    const { client, backend, log } = await between({ timeouts: { responseBodyIdle: short } })
    client.socket.pause()
    client.send(get)
    const wire = await backend.connection(0)
    const body = Buffer.alloc(24 * 1024 * 1024, 'x')
    wire.send(`HTTP/1.1 200 OK\r\nContent-Length: ${body.length}\r\n\r\n`).send(body)
    expect(await log.line('request.completed')).toMatchObject({ code: 'CLIENT_GONE', status: 200 })
    expect(await wire.ending()).toBe('reset')
  })

  test('a body is not late while it is the gateway that has no backend for it yet', async () => {
    const hole = await blackHole(stage)
    const { port } = await stage.gateway({
      backends: [hole],
      timeouts: { requestBodyIdle: short, connect: '500ms' },
    })
    const client = await stage.client(port)
    client.send('POST /x HTTP/1.1\r\nHost: a.test\r\nContent-Length: 9\r\n\r\nhalf')
    expect((await client.message()).body).toContain('BACKEND_CONNECT_TIMEOUT')
  })
})

describe('a transfer that goes on is not late', () => {
  const idle = '400ms'
  const body = Buffer.alloc(24 * 1024 * 1024, 'x')

  /** Takes the body with three pauses, in each of which a deadline passes once, and never twice. */
  async function takeSlowly(wire: Wire): Promise<void> {
    for (let left = body.length, pauses = 3; left > 0; pauses--) {
      wire.socket.pause()
      if (pauses > 0) await new Promise((resolve) => setTimeout(resolve, 550))
      wire.socket.resume()
      left -= (await wire.bytes(pauses > 0 ? 6 * 1024 * 1024 : left)).length
    }
  }

  test('while a backend takes a body with pauses', async () => {
    const { client, backend } = await between({ timeouts: { requestBodyIdle: idle } })
    client.send(`POST /x HTTP/1.1\r\nHost: a.test\r\nContent-Length: ${body.length}\r\n\r\n`).send(body)
    const wire = await backend.connection(0)
    await wire.until('\r\n\r\n')
    await takeSlowly(wire)
    wire.send('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok')
    expect((await client.message()).body).toBe('ok')
  })

  test('while a client takes its answer with pauses', async () => {
    const { client, backend } = await between({ timeouts: { responseBodyIdle: idle } })
    client.send(get)
    const wire = await backend.connection(0)
    await wire.message('request')
    wire.send(`HTTP/1.1 200 OK\r\nContent-Length: ${body.length}\r\n\r\n`).send(body)
    await client.until('\r\n\r\n')
    await takeSlowly(client)
    // All of it came, so the connections serve on.
    client.send(get)
    expect((await wire.message('request')).start).toContain('GET /x')
  })

  test('while a body comes behind the head of its early answer', async () => {
    const { client, backend } = await between({ timeouts: { responseBodyIdle: idle } })
    client.send('POST /x HTTP/1.1\r\nHost: a.test\r\nContent-Length: 20\r\n\r\n')
    const wire = await backend.connection(0)
    await wire.until('\r\n\r\n')
    wire.send('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n')
    for (let i = 0; i < 20; i++) {
      client.send('x')
      await wire.bytes(1)
      await new Promise((resolve) => setTimeout(resolve, 50))
    }
    wire.send('ok')
    expect((await client.message()).body).toBe('ok')
  })

  test('while an early answer comes to a client that keeps the rest of its body', async () => {
    const { client, backend } = await between({ timeouts: { requestBodyIdle: short } })
    client.send('POST /x HTTP/1.1\r\nHost: a.test\r\nContent-Length: 20\r\n\r\nhalf')
    const wire = await backend.connection(0)
    await wire.until('half')
    wire.send('HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n')
    for (let i = 0; i < 10; i++) {
      wire.send('x')
      await new Promise((resolve) => setTimeout(resolve, 50))
    }
    expect((await client.message()).body).toBe('xxxxxxxxxx')
  })
})

describe('deadlines of the backend', () => {
  test('an answer that does not come is 504, and the client may go on', async () => {
    const { client, backend, log } = await between({ timeouts: { response: short } })
    const answer = await client.send(get).message()
    expect([answer.status, answer.fields.has('connection')]).toEqual([504, false])
    expect((await (await backend.connection(0)).rest()).ending).toBe('reset')
    expect(await log.line('request.completed')).toMatchObject({
      code: 'BACKEND_RESPONSE_TIMEOUT',
      status: 504,
    })
    client.send(get)
    await backend.connection(1)
  })

  test('an answer whose head stops coming is 504', async () => {
    const { client, backend } = await between({ timeouts: { response: short } })
    client.send(get)
    const wire = await backend.connection(0)
    wire.send('HTTP/1.1 200 OK\r\nContent')
    expect((await client.message()).status).toBe(504)
  })

  test('an answer whose body stops coming is cut', async () => {
    const { client, backend, log } = await between({ timeouts: { responseBodyIdle: short } })
    client.send(get)
    const wire = await backend.connection(0)
    wire.send('HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf')
    expect((await client.rest()).ending).toBe('reset')
    expect((await log.line('request.completed')).code).toBe('BACKEND_BODY_TIMEOUT')
  })

  test('one that does not accept is passed over within its time', async () => {
    const hole = await blackHole(stage)
    const backend = await stage.raw(answering('ok'))
    const { port } = await stage.gateway({
      backends: [hole, backend.address],
      timeouts: { connect: '300ms' },
    })
    const client = await stage.client(port)
    for (let i = 0; i < 2; i++) expect((await client.send(get).message()).body).toBe('ok')
  })

  test('when none accepts the answer is 504', async () => {
    const hole = await blackHole(stage)
    const { port, log } = await stage.gateway({ backends: [hole], timeouts: { connect: short } })
    const client = await stage.client(port)
    const answer = await client.send(get).message()
    expect([answer.status, answer.body.includes('BACKEND_CONNECT_TIMEOUT')]).toEqual([504, true])
    expect(log.of('backend.connect_failed').length).toBe(1)
  })

  test('all attempts together have a time as well', async () => {
    const hole = await blackHole(stage)
    const { port } = await stage.gateway({
      pools: { main: { backends: [hole], retries: { total: short } } },
      timeouts: { connect: '1m' },
    })
    const client = await stage.client(port)
    expect((await client.send(get).message()).status).toBe(504)
  })
})

async function turn(): Promise<void> {
  await new Promise((resolve) => setImmediate(resolve))
}
