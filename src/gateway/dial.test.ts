import { expect, test } from 'vitest'
import type { Socket, SocketErrorCode, SocketPort } from '../net/socket.ts'
import { socketPort } from '../net/socket-port.ts'
import { Gateway } from './gateway.ts'
import { parseOptions } from './parse-options.ts'

// What a machine without ports or descriptors says, which a test must not bring about. All else: test/gateway/.

/** Asks a gateway whose connects all fail in this way, and returns what is counted about its backend. */
async function failing(code: SocketErrorCode) {
  const parsed = parseOptions({
    listen: [{ port: 0, host: '127.0.0.1' }],
    pools: { main: { backends: ['127.0.0.1:1'], ejection: { failures: 1 } } },
    routes: [{ pool: 'main' }],
  })
  if (!('config' in parsed)) throw new Error('expected a config')
  const connect: SocketPort['connect'] = (_target, _timeout, handler, context) => {
    const socket = { handler, context, abort() {} } as unknown as Socket
    queueMicrotask(() => handler.onClose(socket, { code, raw: code, message: code }))
    return socket
  }
  const log = { debug() {}, info() {}, warn() {}, error() {} }
  await using gateway = new Gateway(parsed.config, { sockets: { ...socketPort, connect }, log })
  await gateway.start()
  const { status } = await fetch(`http://127.0.0.1:${gateway.listeners[0]?.port}/`)
  const [{ connectFailures, ejectedUntil } = { connectFailures: -1, ejectedUntil: 0 }] = gateway.backends
  return { status, connectFailures, ejected: ejectedUntil !== null }
}

test('what this machine lacks is not counted against the backend, a refusal is', async () => {
  expect(await failing('exhausted')).toEqual({ status: 502, connectFailures: 0, ejected: false })
  expect(await failing('refused')).toEqual({ status: 502, connectFailures: 1, ejected: true })
})
