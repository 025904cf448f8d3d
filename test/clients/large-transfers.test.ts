import { connect, type Socket } from 'node:net'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { PatternReader, patternAt } from './support/pattern.ts'
import { type Balancer, Site } from './support/site.ts'

// A gigabyte each way through the command: nothing may be lost, and memory must not grow with it.

const site = new Site()
const gigabyte = 1024 ** 3
const warmUp = 32 * 1024 ** 2
const growth = 64 * 1024 ** 2
const patience = 40_000
let proxy: Balancer

beforeAll(async () => {
  proxy = await site.proxy(await site.services('a'))
})
afterAll(() => site.remove())

/** By how much resident memory grows at most while something happens. */
async function memoryGrowth(happens: () => Promise<unknown>): Promise<number> {
  const before = proxy.program.memory
  let most = before
  const sampling = setInterval(() => {
    most = Math.max(most, proxy.program.memory)
  }, 20)
  await happens()
  clearInterval(sampling)
  return Math.max(most, proxy.program.memory) - before
}

/** Calls `onBody` for every part of the answer's body and resolves when the connection ends. */
function answer(socket: Socket, onBody: (chunk: Buffer) => void): Promise<void> {
  let head = Buffer.alloc(0)
  let inBody = false
  return new Promise((resolve, reject) => {
    socket.on('error', reject)
    socket.on('end', resolve)
    socket.on('data', (chunk: Buffer) => {
      if (inBody) {
        onBody(chunk)
        return
      }
      head = Buffer.concat([head, chunk])
      const end = head.indexOf('\r\n\r\n')
      if (end === -1) return
      inBody = true
      if (end + 4 < head.length) onBody(head.subarray(end + 4))
    })
  })
}

async function download(length: number): Promise<PatternReader> {
  const socket = connect(proxy.port, '127.0.0.1')
  const reader = new PatternReader()
  const done = answer(socket, (chunk) => reader.read(chunk))
  socket.write(`GET /bytes?${length} HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n\r\n`)
  await done
  socket.destroy()
  return reader
}

async function upload(length: number): Promise<string> {
  const socket = connect(proxy.port, '127.0.0.1')
  let text = ''
  const done = answer(socket, (chunk) => {
    text += chunk.toString()
  })
  socket.write(
    `PUT /count HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\nContent-Length: ${length}\r\n\r\n`,
  )
  let sent = 0
  const more = () => {
    while (sent < length) {
      const chunk = patternAt(sent, length - sent)
      sent += chunk.length
      if (!socket.write(chunk)) return
    }
  }
  socket.on('drain', more)
  more()
  await done
  socket.destroy()
  return text
}

test(
  'a download of 1 GB arrives whole and in flat memory',
  async () => {
    await download(warmUp)
    let reader = new PatternReader()
    const grown = await memoryGrowth(async () => {
      reader = await download(gigabyte)
    })
    expect([reader.bytes, reader.intact]).toEqual([gigabyte, true])
    console.log('GROWN', grown / 2 ** 20)
    expect(grown).toBeLessThan(growth)
  },
  patience,
)

test(
  'an upload of 1 GB arrives whole and in flat memory',
  async () => {
    await upload(warmUp)
    let text = ''
    const grown = await memoryGrowth(async () => {
      text = await upload(gigabyte)
    })
    expect(text).toBe(`PUT ${gigabyte} true`)
    console.log('GROWN', grown / 2 ** 20)
    expect(grown).toBeLessThan(growth)
  },
  patience,
)
