import { connect } from 'node:net'
import { afterEach, expect, test } from 'vitest'
import { EchoServer } from './support/echo-server.ts'
import { answering } from './support/raw-backend.ts'
import { Stage } from './support/stage.ts'
import { Talker } from './support/talker.ts'
import { Wire } from './support/wire.ts'

const stage = new Stage()
afterEach(() => stage.close())

async function tunnels(count: number) {
  const backend = await new EchoServer().listen()
  stage.add(() => backend.close())
  const running = await stage.gateway({ backends: [backend.address] })
  const clients = await Promise.all(Array.from({ length: count }, () => new Talker(running.port).opened))
  return { ...running, clients }
}

test('a stopping gateway closes its tunnels evenly over its time, and says that it is not ready', async () => {
  const { gateway, clients } = await tunnels(250)
  const startedAt = performance.now()
  const times: number[] = []
  gateway.on('tunnel.closed', () => times.push(performance.now() - startedAt))
  expect(gateway.state).toBe('running')
  const drained = gateway.drain(2500)
  expect(gateway.state).toBe('draining')
  await drained
  for (const { closed } of clients) expect((await closed).code).toBe(1001)
  const quarters = [0, 1, 2, 3].map((quarter) => times.filter((t) => Math.floor(t / 500) === quarter).length)
  for (const count of quarters) expect(Math.abs(count - 62)).toBeLessThan(30)
  await gateway.close()
  expect(gateway.state).toBe('closed')
})

test('a few tunnels do not take the whole time', async () => {
  const { gateway, clients } = await tunnels(20)
  const startedAt = performance.now()
  await gateway.drain(600_000)
  expect(performance.now() - startedAt).toBeLessThan(5000)
  for (const { closed } of clients) expect((await closed).code).toBe(1001)
})

test('a second drain takes the place of the first, also when the first is over before it', async () => {
  const { gateway, clients } = await tunnels(100)
  const first = gateway.drain(200)
  const second = gateway.drain(10_000)
  await first
  expect(gateway.backends[0]?.connections).toBeGreaterThan(50)
  const startedAt = performance.now()
  await second
  expect(performance.now() - startedAt).toBeLessThan(5000)
  for (const { closed } of clients) expect((await closed).code).toBe(1001)
})

/** Connects without waiting, sends a request once connected, and tells what came of it. */
function request(port: number): Promise<'answered' | 'refused' | 'lost'> {
  const socket = connect({ port, host: '127.0.0.1', noDelay: true })
  return new Promise((resolve) => {
    socket.once('error', (error: NodeJS.ErrnoException) => {
      resolve(error.code === 'ECONNREFUSED' ? 'refused' : 'lost')
    })
    socket.once('connect', () => {
      const wire = new Wire(socket)
      wire.send('GET / HTTP/1.1\r\nHost: a\r\n\r\n')
      wire.message().then(
        ({ status, fields }) => {
          resolve(status === 200 && fields.get('connection')?.[0] === 'close' ? 'answered' : 'lost')
          wire.close()
        },
        () => resolve('lost'),
      )
    })
  })
}

test('no connection in the listen queue is lost when the gateway stops', async () => {
  const backend = await stage.raw(answering('yes'))
  const { gateway, port } = await stage.gateway({ backends: [backend.address] })
  const queued = Array.from({ length: 300 }, () => request(port))
  const drained = gateway.drain(20_000)
  await new Promise((resolve) => setImmediate(resolve))
  for (let late = 0; late < 100; late++) queued.push(request(port))
  const outcomes = await Promise.all(queued)
  expect(outcomes.filter((outcome) => outcome === 'lost').length).toBe(0)
  expect(outcomes.slice(0, 300).every((outcome) => outcome === 'answered')).toBe(true)
  await drained
  expect(await request(port)).toBe('refused')
})
