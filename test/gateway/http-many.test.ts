import { afterEach, describe, expect, test } from 'vitest'
import { Stage } from './support/stage.ts'

const stage = new Stage()
afterEach(() => stage.close())

const count = 40

/** Text that no other client sends, longer than the buffers that short texts are copied into. */
function own(client: number, length: number): string {
  return `<${client}>${String.fromCharCode(0x61 + (client % 26)).repeat(length)}</${client}>`
}

/** Runs the same for many clients whose bytes arrive one client right after the other. */
async function forAll(port: number, first: (i: number) => string, rest: (i: number) => string) {
  const clients = await Promise.all(Array.from({ length: count }, () => stage.client(port)))
  for (const [i, client] of clients.entries()) client.send(first(i))
  await Promise.all(clients.map((client, i) => client.flush(Buffer.from(rest(i)))))
  return clients
}

describe('bytes of many clients at once are never mixed up', () => {
  test.each([10, 5000, 200_000])(
    'bodies of %i bytes that come while a backend is being dialled',
    async (length) => {
      const backend = await stage.http((incoming, response) => incoming.pipe(response))
      const { port } = await stage.gateway({ backends: [backend.address], lending: false })
      const clients = await forAll(
        port,
        (i) =>
          `POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: ${own(i, length).length}\r\n\r\n${own(i, length)}`,
        () => '',
      )
      for (const [i, client] of clients.entries()) expect((await client.message()).body).toBe(own(i, length))
    },
  )

  test('chunked bodies whose lines are cut, and their trailers', async () => {
    const backend = await stage.raw(async (wire) => {
      for (;;) {
        const { body, trailers } = await wire.message('request')
        const text = `${body}${trailers.join()}`
        wire.send(`HTTP/1.1 200 OK\r\nContent-Length: ${text.length}\r\n\r\n${text}`)
      }
    })
    const { port } = await stage.gateway({ backends: [backend.address], lending: false })
    const clients = await forAll(
      port,
      () => 'POST / HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n\r\n3',
      (i) => `f0\r\n${own(i, 0x3f0).slice(0, 0x3f0)}\r\n0\r\nX-Own: ${i}\r\n\r\n`,
    )
    for (const [i, client] of clients.entries()) {
      expect((await client.message()).body).toBe(`${own(i, 0x3f0).slice(0, 0x3f0)}X-Own: ${i}`)
    }
  })

  test('heads in pieces, and requests that wait behind others', async () => {
    const backend = await stage.http((incoming, response) => response.end(incoming.url))
    const { port } = await stage.gateway({ backends: [backend.address], lending: false })
    const line = (i: number, n: number) => `GET /${i}/${n} HTTP/1.1\r\nHost: a.test\r\n\r\n`
    const clients = await forAll(
      port,
      (i) => line(i, 0).slice(0, 20),
      (i) => line(i, 0).slice(20) + line(i, 1) + line(i, 2),
    )
    for (const [i, client] of clients.entries()) {
      for (const n of [0, 1, 2]) expect((await client.message()).body).toBe(`/${i}/${n}`)
    }
  })

  test('answers that a client takes only later', async () => {
    const length = 300_000
    const backend = await stage.raw(async (wire) => {
      for (;;) {
        const { start } = await wire.message('request')
        const text = own(Number(start.split(/[ /]+/)[1]), length)
        wire.send(`HTTP/1.1 200 OK\r\nContent-Length: ${text.length}\r\n\r\n${text}`)
      }
    })
    const { port } = await stage.gateway({ backends: [backend.address], lending: false })
    const clients = await Promise.all(Array.from({ length: 8 }, () => stage.client(port)))
    const rounds = 20
    for (const client of clients) client.socket.pause()
    for (const [i, client] of clients.entries()) {
      client.send(`GET /${i} HTTP/1.1\r\nHost: a.test\r\n\r\n`.repeat(rounds))
    }
    for (let turn = 0; turn < 200; turn++) await new Promise((resolve) => setImmediate(resolve))
    for (const client of clients) client.socket.resume()
    for (const [i, client] of clients.entries()) {
      const text = own(i, length)
      for (let round = 0; round < rounds; round++) {
        await client.until('\r\n\r\n')
        expect((await client.bytes(text.length)).toString('latin1') === text).toBe(true)
      }
    }
  })
})
