import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { expect, test } from 'vitest'
import { RawClient } from './contract/raw-client.ts'
import { createHub } from './create-hub.ts'

// Between the verdict of `authenticate` and the 101 there are a few microtasks, and `close` may come after each.
test.skipIf('Bun' in globalThis).each([0, 1, 2, 3, 4, 5])(
  'a hub that is closed %d microtasks after somebody was let in keeps nobody',
  async (turns) => {
    const asked = Promise.withResolvers<void>()
    const verdict = Promise.withResolvers<{ user: string; data: undefined }>()
    const hub = createHub({
      authenticate() {
        asked.resolve()
        return verdict.promise
      },
    })
    const server = createServer()
    hub.attach(server)
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    try {
      const client = RawClient.start({ port: (server.address() as AddressInfo).port })
      await asked.promise
      verdict.resolve({ user: 'ann', data: undefined })
      for (let turn = 0; turn < turns; turn++) await Promise.resolve()
      const closing = hub.close()
      await client.until(() => client.head !== '')
      if (client.status === 101) {
        expect((await client.nextClose()).code).toBeOneOf([1001, 1012])
        client.socket.destroy()
        await client.until(() => client.closed)
      } else expect(client.status).toBe(503)
      await closing
    } finally {
      server.close()
      server.closeAllConnections()
    }
  },
)
