import { BlockList } from 'node:net'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { clientKey } from './client-key.ts'

test.each([
  ['203.0.113.7', '203.0.113.7'],
  ['203.0.113.7:50412', '203.0.113.7'],
  ['::ffff:203.0.113.7', '203.0.113.7'],
  ['::FFFF:cb00:7107', '203.0.113.7'],
  ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2::/64'],
  ['2001:0DB8:1:2::9', '2001:db8:1:2::/64'],
  ['2001:db8::', '2001:db8:0:0::/64'],
  ['[2001:db8:1:2::9]:443', '2001:db8:1:2::/64'],
  ['fe80::1%eth0', 'fe80:0:0:0::/64'],
  ['::1', '0:0:0:0::/64'],
  ['64:ff9b::198.51.100.1', '64:ff9b:0:0::/64'],
])('%s counts as %s', (address, key) => {
  expect(clientKey(address)).toBe(key)
})

test.each(['unknown', '_hidden', '1:2:3', '1::2::3', ':::', '1:2:3:4:5:6:7:8:9', 'g::1', '[::1'])(
  '%s is no address and stands for itself',
  (text) => {
    expect(clientKey(text)).toContain(text.replace('[', ''))
  },
)

test('a key is never long', () => {
  expect(clientKey('x'.repeat(10_000)).length).toBe(64)
  expect(clientKey(`:${':'.repeat(10_000)}`).length).toBe(64)
})

test('two IPv6 addresses are one client exactly when they are in the same /64', () => {
  const group = fc.integer({ min: 0, max: 0xffff })
  const tail = fc.array(group, { minLength: 4, maxLength: 4 })
  const head = fc.array(fc.integer({ min: 1, max: 3 }), { minLength: 4, maxLength: 4 })
  const text = (groups: readonly number[]) => groups.map((one) => one.toString(16)).join(':')
  fc.assert(
    fc.property(head, head, tail, tail, (one, two, behind, other) => {
      const first = text([...one, ...behind])
      const second = text([...two, ...other])
      const network = new BlockList()
      network.addSubnet(first, 64, 'ipv6')
      expect(clientKey(first) === clientKey(second)).toBe(network.check(second, 'ipv6'))
    }),
  )
})

test('every way to write an address gives the same key', () => {
  const groups = fc.array(fc.oneof(fc.constant(0), fc.integer({ min: 0, max: 0xffff })), {
    minLength: 8,
    maxLength: 8,
  })
  fc.assert(
    fc.property(groups, (all) => {
      const plain = all.map((one) => one.toString(16)).join(':')
      // The standard's own way to write it (RFC 5952).
      const canonical = new URL(`http://[${plain}]/`).hostname
      const long = all.map((one) => one.toString(16).padStart(4, '0').toUpperCase()).join(':')
      expect(clientKey(canonical)).toBe(clientKey(plain))
      expect(clientKey(long)).toBe(clientKey(plain))
    }),
  )
})
