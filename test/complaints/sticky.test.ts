import { afterEach, expect, test } from 'vitest'
import { WebSocket } from 'ws'
import { Stage } from '../gateway/support/stage.ts'
import { WhoServer } from '../gateway/support/who-server.ts'

const stage = new Stage()
afterEach(() => stage.close())

/** Opens a WebSocket that stays: who answered, and the cookie that the 101 came with. */
async function open(port: number, cookie?: string): Promise<{ name: string; cookie: string | undefined }> {
  const headers = cookie === undefined ? {} : { cookie }
  const socket = new WebSocket(`ws://127.0.0.1:${port}/`, { headers })
  stage.add(() => socket.terminate())
  let set: string | undefined
  socket.once('upgrade', (response) => {
    set = response.headers['set-cookie']?.[0]?.split(';')[0]
  })
  const name = await new Promise<string>((resolve, reject) => {
    socket.once('message', (data) => resolve(String(data)))
    socket.once('error', reject)
  })
  return { name, cookie: set }
}

test('stickiness does not defeat a scale-out: whoever is new goes to the new one, who is pinned stays (ingress-nginx#5944)', async () => {
  const servers = await Promise.all(['a', 'b', 'new'].map((name) => new WhoServer(name).listen()))
  for (const server of servers) stage.add(() => server.close())
  const [first, second, added] = servers.map(({ address }) => address) as [string, string, string]
  const sticky = { secret: 'a secret of enough characters', otherwise: 'least-connections' } as const
  const { gateway, port } = await stage.gateway({
    pools: {
      main: {
        policy: { sticky },
        slowStart: { from: 100 },
        backends: [first, second, { address: added, weight: 0 }],
      },
    },
  })
  const pinned = []
  for (let i = 0; i < 8; i++) pinned.push(await open(port))
  expect(gateway.backends.map(({ connections }) => connections)).toEqual([4, 4, 0])
  gateway.setWeight(added, 1)
  for (let i = 0; i < 4; i++) expect((await open(port)).name).toBe('new')
  for (const { name, cookie } of pinned) expect((await open(port, cookie)).name).toBe(name)
})
