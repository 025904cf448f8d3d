import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import { PassThrough } from 'node:stream'
import { afterEach, describe, expect, test } from 'vitest'
import { streamHandleOf, writeTo } from './stream-handle.ts'

const sockets: Socket[] = []

afterEach(() => {
  for (const socket of sockets.splice(0)) socket.destroy()
})

/** Both ends of a connection. */
async function pair(): Promise<{ readonly near: Socket; readonly far: Socket }> {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const near = connect((server.address() as AddressInfo).port, '127.0.0.1')
  const far = await new Promise<Socket>((resolve) => server.once('connection', resolve))
  server.close()
  sockets.push(near, far)
  return { near, far }
}

// Were this to fail with a new Node, everything would still work, and each delivery would cost a fifth more.
describe.skipIf('Bun' in globalThis)('the handle of a socket', () => {
  test('is found, and takes bytes at once', async () => {
    const { near, far } = await pair()
    const handle = streamHandleOf(far)
    if (handle === null) throw new Error('this Node has another inside')
    expect(writeTo(handle, Buffer.from('one'), { written: () => {} })).toBe(0)
    expect(await new Promise((resolve) => near.once('data', resolve))).toEqual(Buffer.from('one'))
  })

  test('tells when the peer has taken what waited, in the order of the writes', async () => {
    const { near, far } = await pair()
    const handle = streamHandleOf(far)
    if (handle === null) throw new Error('this Node has another inside')
    near.pause()
    const told: string[] = []
    const chunk = Buffer.alloc(1024 * 1024, 'a')
    let sent = 0
    let waits = 0
    while (waits === 0) {
      waits = writeTo(handle, chunk, { written: (status) => told.push(`first ${status}`) })
      sent += chunk.length
    }
    expect(writeTo(handle, Buffer.from('end'), { written: (status) => told.push(`second ${status}`) })).toBe(
      1,
    )
    expect(handle.writeQueueSize).toBeGreaterThan(0)
    let last = ''
    let received = 0
    near.on('data', (data) => {
      received += data.length
      last = data.toString().slice(-4)
    })
    await new Promise<void>((resolve) => {
      near.on('data', () => received === sent + 3 && resolve())
      near.resume()
    })
    expect(last).toBe('aend')
    expect(told).toEqual(['first 0', 'second 0'])
    expect(handle.writeQueueSize).toBe(0)
  })

  test('is not used while something waits in the stream', async () => {
    const { near, far } = await pair()
    near.pause()
    while (far.write(Buffer.alloc(1024 * 1024)));
    expect(streamHandleOf(far)).toBeNull()
  })

  test('takes nothing any more once it is closed', async () => {
    const { far } = await pair()
    const handle = streamHandleOf(far)
    if (handle === null) throw new Error('this Node has another inside')
    far.destroy()
    expect(writeTo(handle, Buffer.from('x'), { written: () => {} })).toBeLessThan(0)
    await new Promise((resolve) => far.once('close', resolve))
    await new Promise((resolve) => setTimeout(resolve, 50))
    expect(writeTo(handle, Buffer.from('x'), { written: () => {} })).toBeLessThan(0)
  })
})

test('there is no handle of what is no socket', () => {
  expect(streamHandleOf(new PassThrough())).toBeNull()
})
