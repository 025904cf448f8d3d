import { describe, expect, test } from 'vitest'
import type { HeadFailure } from '../http1/failure.ts'
import { parseRequestHead, type RequestHead } from '../http1/request-head.ts'
import { trustedNetworks } from '../net/address.ts'
import { Peer } from './forwarding.ts'
import { hashKey, sourceIpKey } from './hash-key.ts'
import type { HashSource } from './policy-options.ts'

const trusted = trustedNetworks(['10.0.0.0/8'])
const client = new Peer('192.0.2.1', trusted)

function request(target: string, ...fields: string[]): RequestHead {
  const lines = [`GET ${target} HTTP/1.1`, 'Host: a.test', ...fields, '', '']
  const bytes = new TextEncoder().encode(lines.join('\r\n'))
  const head: RequestHead | HeadFailure = parseRequestHead(bytes, 0, bytes.length, {
    bytes: 4096,
    fields: 50,
  })
  if ('failed' in head) throw new Error(head.reason)
  return head
}

describe('the key of a request', () => {
  test.each<[HashSource, RequestHead, RequestHead, RequestHead]>([
    [
      { kind: 'header', name: 'x-user' },
      request('/a', 'X-User: 7'),
      request('/b', 'Accept: x', 'x-uSER: 7'),
      request('/a', 'X-User: 8'),
    ],
    [
      { kind: 'cookie', name: 'user' },
      request('/a', 'Cookie: user=7; b=1'),
      request('/b', 'Cookie: b=2; user=7'),
      request('/a', 'Cookie: user=8; b=1'),
    ],
    [
      { kind: 'query', name: 'room' },
      request('/a?room=r%201'),
      request('/b?x=1&room=r+1'),
      request('/a?room=r2'),
    ],
    [
      { kind: 'segment', number: 2 },
      request('/rooms/1/chat'),
      request('/rooms/1?x'),
      request('/rooms/2/chat'),
    ],
  ])('by %j is equal where that is equal, else not', (source, one, same, other) => {
    const keyOf = hashKey(source)
    expect(keyOf(same, client)).toBe(keyOf(one, client))
    expect(keyOf(other, client)).not.toBe(keyOf(one, client))
  })

  test.each<HashSource>([
    { kind: 'header', name: 'x-user' },
    { kind: 'cookie', name: 'user' },
    { kind: 'query', name: 'room' },
    { kind: 'segment', number: 2 },
  ])('is anything when %j is missing', (source) => {
    const keys = Array.from({ length: 20 }, () => hashKey(source)(request('/a'), client))
    expect(new Set(keys).size).toBe(20)
  })
})

describe('the address of a client', () => {
  const chain = request('/', 'X-Forwarded-For: 203.0.113.9, 198.51.100.4', 'X-Forwarded-For: 10.1.1.1')

  test.each([
    ['192.0.2.1', chain, '192.0.2.1'],
    ['10.2.2.2', chain, '198.51.100.4'],
    ['', chain, '198.51.100.4'],
    ['10.2.2.2', request('/'), '10.2.2.2'],
    ['10.2.2.2', request('/', 'X-Forwarded-For: 10.3.3.3, 10.4.4.4'), '10.3.3.3'],
    ['10.2.2.2', request('/', 'X-Forwarded-For: 198.51.100.4:40123'), '198.51.100.4'],
    ['10.2.2.2', request('/', 'X-Forwarded-For: 198.51.100.4, 10.1.1.1:443, :80'), '198.51.100.4'],
    ['10.2.2.2', request('/', 'X-Forwarded-For: [2001:db8::1]:443, 10.1.1.1'), '2001:db8::1'],
  ])('connected from %j is the nearest that is not a trusted proxy', (address, head, expected) => {
    const peer = new Peer(address, trusted)
    expect(peer.clientAddress(head.fields)).toBe(expected)
  })

  test('is what its hash is taken of', () => {
    const key = (address: string, head = request('/')) => sourceIpKey(head, new Peer(address, trusted))
    expect(key('10.2.2.2', chain)).toBe(key('198.51.100.4'))
    expect(key('198.51.100.4')).not.toBe(key('198.51.100.5'))
  })
})
