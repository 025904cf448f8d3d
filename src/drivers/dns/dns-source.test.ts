import { afterEach, describe, expect, test } from 'vitest'
import { discoveryContract } from '../../gateway/discovery-contract.ts'
import { type DnsRecord, DnsServer, rcodes } from './contract/dns-server.ts'
import { DnsSource } from './dns-source.ts'

const interval = { min: 50, max: 400 }
const name = 'chat.internal'
const service = '_ws._tcp.chat.internal'

const address = (data: string, ttl = 0): DnsRecord => ({ type: data.includes(':') ? 'AAAA' : 'A', ttl, data })
const ipOf = (backend: { readonly address: string }) =>
  backend.address.slice(0, backend.address.lastIndexOf(':'))

/** Both ways to fail; the source must not care which it was. */
const spoilers: Readonly<Record<string, (server: DnsServer) => void>> = {
  'an unknown name': (server) => server.zone.clear(),
  'a failing server': (server) => {
    server.rcode = rcodes.serverFailure
  },
  'a silent server': (server) => {
    server.silent = true
  },
}

for (const [what, spoil] of Object.entries(spoilers)) {
  discoveryContract(`A records, with ${what}`, async () => {
    const server = await new DnsServer().listen()
    return {
      source: new DnsSource({ ask: { host: name, port: 4000 }, interval, servers: [server.address] }),
      publish(backends) {
        Object.assign(server, { rcode: rcodes.ok, silent: false })
        server.zone.set(
          name,
          backends.map((backend) => address(ipOf(backend))),
        )
      },
      spoil: () => spoil(server),
      close: () => server.close(),
    }
  })
}

discoveryContract('SRV records', async () => {
  const server = await new DnsServer().listen()
  return {
    source: new DnsSource({ ask: { service }, interval, servers: [server.address] }),
    publish(backends) {
      server.rcode = rcodes.ok
      server.zone.set(
        service,
        backends.map((backend) => {
          const target = `n${backend.address.split(/[.:]/)[3]}.internal`
          server.zone.set(target, [address(ipOf(backend))])
          return { type: 'SRV', ttl: 0, data: { priority: 1, weight: backend.weight, port: 4000, target } }
        }),
      )
    },
    spoil: () => {
      server.rcode = rcodes.serverFailure
    },
    close: () => server.close(),
  }
})

describe('a DNS source', () => {
  const opened: { stop(): void }[] = []
  afterEach(() => {
    for (const one of opened.splice(0)) one.stop()
  })

  async function asking(
    ask: ConstructorParameters<typeof DnsSource>[0]['ask'],
    records: Record<string, DnsRecord[]>,
  ) {
    const server = await new DnsServer().listen()
    for (const [owner, list] of Object.entries(records)) server.zone.set(owner, list)
    const source = new DnsSource({ ask, interval, servers: [server.address] })
    opened.push({ stop: () => server.close() }, source)
    const told: unknown[] = []
    const next = () =>
      new Promise<unknown>((resolve) => {
        tell = resolve
      })
    let tell: (what: unknown) => void = () => {}
    const take = (what: unknown) => {
      told.push(what)
      tell(what)
    }
    const begin = () => {
      const first = next()
      source.start({ found: (backends) => take(backends), failed: take })
      return first
    }
    return { server, told, begin, next }
  }

  test('joins the addresses of both families', async () => {
    const records = [address('127.0.0.1'), address('fd00:0:0:0:0:0:0:1')]
    const { begin } = await asking({ host: name, port: 80 }, { [name]: records })
    expect(await begin()).toEqual([
      { address: '127.0.0.1:80', weight: 1 },
      { address: '[fd00::1]:80', weight: 1 },
    ])
  })

  test('asks again when the TTL is over, within its bounds', async () => {
    const { begin, next, server } = await asking(
      { host: name, port: 80 },
      { [name]: [address('127.0.0.1', 3600)] },
    )
    await begin()
    const startedAt = performance.now()
    // An hour is bounded to the longest interval, give or take 10 %.
    await next()
    expect(performance.now() - startedAt).toBeGreaterThan(interval.max * 0.85)
    server.zone.set(name, [address('127.0.0.2', 0)])
    await next()
    const soon = performance.now()
    await next()
    expect(performance.now() - soon).toBeLessThan(interval.max * 0.8)
  })

  test('waits longer after each failure', async () => {
    const { begin, next, server } = await asking({ host: name, port: 80 }, {})
    expect(await begin()).toBe(`${name}: there is no such name`)
    const times: number[] = []
    for (let index = 0; index < 4; index++) {
      const before = performance.now()
      await next()
      times.push(performance.now() - before)
    }
    // 50, 100, 200, 400 milliseconds, give or take 10 %.
    expect(times[3]).toBeGreaterThan(interval.max * 0.85)
    expect(server.questions.length).toBeLessThan(30)
  })

  test('takes answers that are too long for UDP over TCP', async () => {
    const many = Array.from({ length: 100 }, (_, index) => address(`127.0.1.${index}`))
    const { begin, server } = await asking({ host: name, port: 80 }, { [name]: many })
    server.truncates = true
    expect(await begin()).toHaveLength(100)
    expect(server.overTcp).toBeGreaterThan(0)
  })

  test('takes the services of the lowest priority with their weights, at all addresses of each', async () => {
    const srv = (priority: number, weight: number, port: number, target: string): DnsRecord => ({
      type: 'SRV',
      ttl: 0,
      data: { priority, weight, port, target },
    })
    const { begin } = await asking(
      { service },
      {
        [service]: [
          srv(1, 5, 4001, 'a.internal'),
          srv(1, 2, 4002, 'b.internal'),
          srv(2, 9, 4003, 'c.internal'),
        ],
        'a.internal': [address('127.0.0.1'), address('127.0.0.2')],
        'b.internal': [address('127.0.0.1')],
        'c.internal': [address('127.0.0.3')],
      },
    )
    const backends = (await begin()) as { address: string; weight: number }[]
    expect(backends.map((one) => `${one.address} ${one.weight}`).sort()).toEqual([
      '127.0.0.1:4001 5',
      '127.0.0.1:4002 2',
      '127.0.0.2:4001 5',
    ])
  })

  test('that is told by the target . that there is nobody believes it', async () => {
    const nobody: DnsRecord = { type: 'SRV', ttl: 0, data: { priority: 0, weight: 0, port: 0, target: '' } }
    const { begin } = await asking({ service }, { [service]: [nobody] })
    expect(await begin()).toEqual([])
  })
})
