import { describe, expect, test } from 'vitest'
import { type CloseCode, closeCodes, isRestart } from './close-codes.ts'

const all: [string, CloseCode][] = Object.entries(closeCodes)

test('no two close codes have the same reason, and all of one code agree on whether to reconnect', () => {
  expect(new Set(all.map(([, { reason }]) => reason)).size).toBe(all.length)
  const codes = new Set(all.map(([, { code }]) => code))
  expect(new Set(all.map(([, { code, reconnect }]) => `${code} ${reconnect}`)).size).toBe(codes.size)
})

describe.each(all)('%s', (_name, { code, reason, reconnect }) => {
  test('may be sent in a Close frame', () => {
    // RFC 6455 §7.4: 1004 to 1006 and 1015 are never sent; 3000 to 3999 belong to registered libraries.
    const registered = code >= 1000 && code <= 1014 && ![1004, 1005, 1006].includes(code)
    expect(registered || (code >= 4000 && code <= 4999)).toBe(true)
  })

  test('has a reason that fits into a control frame', () => {
    const { length } = new TextEncoder().encode(reason)
    expect(length).toBeGreaterThan(0)
    expect(length).toBeLessThanOrEqual(123)
  })

  test('says by its range whether to reconnect, where it is one of our own', () => {
    if (code >= 4000) expect(reconnect).toBe(code < 4500)
  })
})

test('a Close 1012 says that the peer restarts, unless a gateway says it for one of its backends', () => {
  expect([isRestart(1012, ''), isRestart(1012, 'service restart'), isRestart(1012, 'deploy')]).toEqual([
    true,
    true,
    true,
  ])
  const { draining, unhealthy, goingAway } = closeCodes
  for (const { code, reason } of [draining, unhealthy, goingAway]) expect(isRestart(code, reason)).toBe(false)
})
