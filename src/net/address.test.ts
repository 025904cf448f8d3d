import { isIP } from 'node:net'
import { describe, expect, test } from 'vitest'
import { resolveAddresses, trustedNetworks } from './address.ts'

describe('resolveAddresses', () => {
  test.each([
    ['127.0.0.1', '127.0.0.1'],
    ['::1', '::1'],
    ['[2001:db8::7]', '2001:db8::7'],
  ])('%s is its own address', async (host, address) => {
    expect(await resolveAddresses(host)).toEqual([address])
  })

  test('a name gives each of its addresses once', async () => {
    const addresses = await resolveAddresses('localhost')
    expect(addresses.length).toBeGreaterThan(0)
    expect(new Set(addresses).size).toBe(addresses.length)
    for (const address of addresses) expect(isIP(address)).not.toBe(0)
  })

  test('a name that cannot exist rejects with the code of the resolver', async () => {
    await expect(resolveAddresses('a..b')).rejects.toMatchObject({ code: expect.any(String) })
  })
})

describe('trustedNetworks', () => {
  const networks = trustedNetworks(['10.0.0.0/8', '192.0.2.1', 'fd00::/8', '2001:db8::1', '172.16.3.4/12'])

  test.each(['10.0.0.0', '10.255.255.255', '192.0.2.1', 'fd12::1', '2001:db8::1', '172.31.0.1'])(
    '%s is inside',
    (ip) => expect(networks.contains(ip)).toBe(true),
  )

  test.each(['11.0.0.0', '9.255.255.255', '192.0.2.2', 'fe00::1', '2001:db8::2', '172.32.0.1'])(
    '%s is outside',
    (ip) => expect(networks.contains(ip)).toBe(false),
  )

  test('an IPv4 address mapped into IPv6 is the IPv4 address', () => {
    expect(networks.contains('::ffff:10.1.2.3')).toBe(true)
    expect(networks.contains('::FFFF:10.1.2.3')).toBe(true)
    expect(networks.contains('::ffff:a01:203')).toBe(true)
    expect(networks.contains('::ffff:11.1.2.3')).toBe(false)
  })

  test('an IPv6 network does not hold IPv4 addresses, nor the other way round', () => {
    expect(trustedNetworks(['::/0']).contains('10.0.0.1')).toBe(false)
    expect(trustedNetworks(['0.0.0.0/0']).contains('2001:db8::1')).toBe(false)
  })

  test('/0 holds every address of its family', () => {
    expect(trustedNetworks(['0.0.0.0/0']).contains('203.0.113.9')).toBe(true)
    expect(trustedNetworks(['::/0']).contains('2001:db8::1')).toBe(true)
  })

  test('an empty list holds nothing', () => {
    expect(trustedNetworks([]).contains('127.0.0.1')).toBe(false)
  })

  test.each(['', 'localhost', 'fe80::1%eth0', '10.0.0', '1.2.3.4.5'])(
    'what is no address is outside: %j',
    (ip) => {
      expect(trustedNetworks(['0.0.0.0/0', '::/0']).contains(ip)).toBe(false)
    },
  )

  test.each([
    '',
    'localhost',
    '10.0.0.0/33',
    '10.0.0.0/',
    '10.0.0.0/8/8',
    '10.0.0.0/-1',
    '::/129',
    '10/8',
    '10.0.0.0/08',
  ])('a list with %j is refused and the entry named', (entry) => {
    expect(() => trustedNetworks(['127.0.0.1', entry])).toThrow(`'${entry}'`)
  })
})
