import fc from 'fast-check'
import { expect, test } from 'vitest'
import { type ClientAccount, ClientLedger } from './client-ledger.ts'

function opened(ledger: ClientLedger, key: string, now = 0): ClientAccount {
  const account = ledger.open(key, now)
  if ('reason' in account) throw new Error(`refused: ${account.reason}`)
  return account
}

test('a client has so many connections at a time and no more, whatever others have', () => {
  const ledger = new ClientLedger({ maxConnections: 2, rate: null })
  const first = opened(ledger, 'a')
  opened(ledger, 'a')
  expect(ledger.open('a', 0)).toEqual({ reason: 'connections', wait: 0 })
  opened(ledger, 'b')
  ledger.close(first, 0)
  opened(ledger, 'a')
  expect(ledger.open('a', 0)).toEqual({ reason: 'connections', wait: 0 })
})

test('a client makes connections at its rate, also when it closes them at once', () => {
  const ledger = new ClientLedger({
    maxConnections: Number.POSITIVE_INFINITY,
    rate: { perSecond: 2, burst: 3 },
  })
  const attempts = Array.from({ length: 100 }, (_, index) => index * 100)
  let passed = 0
  for (const now of attempts) {
    const account = ledger.open('a', now)
    if ('reason' in account) continue
    passed++
    ledger.close(account, now)
  }
  // 3 at once, then 2 a second for 9.9 seconds.
  expect(passed).toBe(3 + 19)
  const refusal = ledger.open('a', 9900)
  expect(refusal).toMatchObject({ reason: 'rate' })
  expect((refusal as { wait: number }).wait).toBeGreaterThan(0)
})

test('a refused attempt costs nothing', () => {
  const ledger = new ClientLedger({ maxConnections: 1, rate: { perSecond: 1, burst: 2 } })
  const first = opened(ledger, 'a')
  for (let index = 0; index < 50; index++)
    expect(ledger.open('a', 0)).toMatchObject({ reason: 'connections' })
  ledger.close(first, 0)
  ledger.close(opened(ledger, 'a'), 0)
  for (let index = 0; index < 50; index++) expect(ledger.open('a', 0)).toMatchObject({ reason: 'rate' })
  opened(ledger, 'a', 1000)
})

test('without a rate nothing is remembered of a client whose last connection is over', () => {
  const ledger = new ClientLedger({ maxConnections: 5, rate: null })
  const accounts = Array.from({ length: 1000 }, (_, index) => opened(ledger, `client ${index}`))
  expect(ledger.size).toBe(1000)
  for (const account of accounts) ledger.close(account, 0)
  expect([ledger.size, ledger.resting]).toEqual([0, 0])
})

test('addresses by the hundred thousand fill no memory, and those that still have connections are not forgotten', () => {
  const ledger = new ClientLedger({ maxConnections: 1, rate: { perSecond: 0.001, burst: 1 } }, 1000)
  opened(ledger, 'stays')
  for (let index = 0; index < 200_000; index++) ledger.close(opened(ledger, `client ${index}`, index), index)
  expect(ledger.resting).toBe(1000)
  expect(ledger.size).toBe(1001)
  expect(ledger.open('stays', 1e12)).toMatchObject({ reason: 'connections' })
  expect(ledger.open('client 199999', 2e5)).toMatchObject({ reason: 'rate' })
})

test('who is idle is forgotten while others come, and at the latest by a sweep', () => {
  const ledger = new ClientLedger({ maxConnections: 9, rate: { perSecond: 10, burst: 5 } })
  for (let index = 0; index < 5000; index++) {
    const now = index * 10
    ledger.close(opened(ledger, `client ${index}`, now), now)
  }
  // Each is idle after 100 ms, so no more than those of the last moments are known.
  expect(ledger.size).toBeLessThan(50)
  ledger.sweep(1e9)
  expect(ledger.size).toBe(0)
})

test('new limits count at once for everybody', () => {
  const ledger = new ClientLedger({ maxConnections: 1, rate: null })
  const first = opened(ledger, 'a')
  ledger.limits = { maxConnections: 3, rate: { perSecond: 1, burst: 1 } }
  const second = opened(ledger, 'a')
  expect(ledger.open('a', 0)).toMatchObject({ reason: 'rate' })
  ledger.limits = { maxConnections: 3, rate: null }
  opened(ledger, 'a')
  expect(ledger.open('a', 0)).toMatchObject({ reason: 'connections' })
  ledger.close(first, 0)
  ledger.close(second, 0)
  expect(ledger.size).toBe(1)
})

test('accounts count what is open, in any order of opening and closing', () => {
  const steps = fc.array(fc.tuple(fc.nat({ max: 4 }), fc.boolean(), fc.nat({ max: 400 })), { maxLength: 300 })
  fc.assert(
    fc.property(steps, (all) => {
      const ledger = new ClientLedger({ maxConnections: 3, rate: { perSecond: 5, burst: 4 } }, 3)
      const open: ClientAccount[] = []
      let now = 0
      for (const [client, opens, pause] of all) {
        now += pause
        const key = `client ${client}`
        const own = open.filter((account) => account.key === key)
        if (opens) {
          const account = ledger.open(key, now)
          if ('reason' in account) {
            if (account.reason === 'connections') expect(own.length).toBe(3)
          } else open.push(account)
        } else if (own[0] !== undefined) {
          open.splice(open.indexOf(own[0]), 1)
          ledger.close(own[0], now)
        }
        for (const account of open) {
          expect(account.connections).toBe(open.filter((other) => other.key === account.key).length)
        }
        const keys = new Set(open.map((account) => account.key))
        expect(ledger.size - ledger.resting).toBe(keys.size)
        expect(ledger.resting).toBeLessThanOrEqual(3)
      }
    }),
  )
})
