import { createHash } from 'node:crypto'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  acceptKey,
  checkUpgradeRequest,
  checkUpgradeResponse,
  isValidKey,
  supportedVersion,
  type UpgradeRequest,
  type UpgradeResponse,
  wrongVersion,
} from './handshake.ts'

// RFC 6455 §1.3
const sampleKey = 'dGhlIHNhbXBsZSBub25jZQ=='
const sampleAccept = 's3pPLMBiTxaQ9kYGzzhZRbK+xOo='

describe('keys', () => {
  test('the sample of the RFC is valid and has its answer', () => {
    expect(isValidKey(sampleKey)).toBe(true)
    expect(acceptKey(sampleKey)).toBe(sampleAccept)
  })

  test('any 16 bytes in base64 are valid, and answered by the digest', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 16, maxLength: 16 }), (bytes) => {
        const key = Buffer.from(bytes).toString('base64')
        expect(isValidKey(key)).toBe(true)
        const digest = createHash('sha1').update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`)
        expect(acceptKey(key)).toBe(digest.digest('base64'))
      }),
    )
  })

  test.each([
    ['nothing', ''],
    ['15 bytes', Buffer.alloc(15).toString('base64')],
    ['17 bytes', Buffer.alloc(17).toString('base64')],
    ['18 bytes', Buffer.alloc(18).toString('base64')],
    ['no padding', sampleKey.slice(0, 22)],
    ['bits in the last character that belong to no byte', `${'A'.repeat(21)}B==`],
    ['the alphabet of URLs', `-_${sampleKey.slice(2)}`],
    ['a space before', ` ${sampleKey}`],
    ['a line break after', `${sampleKey}\n`],
    ['two keys', `${sampleKey}, ${sampleKey}`],
  ])('%s is no key', (_what, key) => {
    expect(isValidKey(key)).toBe(false)
  })
})

describe('a request', () => {
  const right: UpgradeRequest = {
    method: 'GET',
    minor: 1,
    upgrade: 'websocket',
    version: '13',
    key: sampleKey,
  }

  test.each<[string, Partial<UpgradeRequest>]>([
    ['as it should be', {}],
    ['with another case', { upgrade: 'WebSocket' }],
    ['that offers other protocols, too', { upgrade: 'h2c,  WebSocket' }],
  ])('%s is accepted', (_what, change) => {
    expect(checkUpgradeRequest({ ...right, ...change })).toBeNull()
  })

  test.each<[Partial<UpgradeRequest>, string]>([
    [{ method: 'POST' }, 'GET'],
    [{ method: 'get' }, 'GET'],
    [{ minor: 0 }, 'HTTP/1.1'],
    [{ upgrade: undefined }, 'Upgrade'],
    [{ upgrade: '' }, 'Upgrade'],
    [{ upgrade: 'h2c' }, 'Upgrade'],
    [{ upgrade: 'websockets' }, 'Upgrade'],
    [{ upgrade: 'websocket/13' }, 'Upgrade'],
    [{ version: undefined }, 'Sec-WebSocket-Version'],
    [{ key: undefined }, 'Sec-WebSocket-Key'],
    [{ key: '' }, 'Sec-WebSocket-Key'],
    [{ key: 'short' }, 'Sec-WebSocket-Key'],
  ])('with %j is refused, and told about %s', (change, about) => {
    const problem = checkUpgradeRequest({ ...right, ...change })
    expect(problem).toContain(about)
    expect(problem).not.toBe(wrongVersion)
  })

  test.each(['8', '14', '013', '', '13, 8', 'abc'])(
    'of version %j is told which one is spoken',
    (version) => {
      expect(checkUpgradeRequest({ ...right, version })).toBe(wrongVersion)
      expect(checkUpgradeRequest({ ...right, version, key: undefined })).toBe(wrongVersion)
      expect(wrongVersion).toContain(supportedVersion)
    },
  )
})

describe('an answer', () => {
  const right: UpgradeResponse = {
    status: 101,
    upgrade: 'websocket',
    connectionHasUpgrade: true,
    accept: sampleAccept,
    key: sampleKey,
    offeredProtocols: undefined,
    protocol: undefined,
    offeredExtensions: undefined,
    extensions: undefined,
  }
  const deflate = 'permessage-deflate; client_max_window_bits'

  test.each<[string, Partial<UpgradeResponse>]>([
    ['as it should be', {}],
    ['with another case', { upgrade: 'WebSocket' }],
    ['with one of the offered subprotocols', { offeredProtocols: 'mqtt, chat.v2', protocol: 'chat.v2' }],
    ['without any of the offered subprotocols', { offeredProtocols: 'mqtt' }],
    [
      'with an offered extension',
      {
        offeredExtensions: `x-other, ${deflate}`,
        extensions: 'permessage-deflate; server_max_window_bits="10"',
      },
    ],
    ['without any of the offered extensions', { offeredExtensions: deflate }],
    ['with an empty list of extensions', { extensions: '' }],
  ])('%s is accepted', (_what, change) => {
    expect(checkUpgradeResponse({ ...right, ...change })).toBeNull()
  })

  test.each<[Partial<UpgradeResponse>, string]>([
    [{ status: 200 }, '200'],
    [{ upgrade: undefined }, 'Upgrade'],
    [{ upgrade: 'h2c' }, 'Upgrade'],
    [{ upgrade: 'websocket, h2c' }, 'Upgrade'],
    [{ connectionHasUpgrade: false }, 'Connection'],
    [{ accept: undefined }, 'Sec-WebSocket-Accept'],
    [{ accept: '' }, 'Sec-WebSocket-Accept'],
    [{ accept: sampleKey }, 'Sec-WebSocket-Accept'],
    [{ accept: sampleAccept.toLowerCase() }, 'Sec-WebSocket-Accept'],
    [{ accept: ` ${sampleAccept}` }, 'Sec-WebSocket-Accept'],
    [{ protocol: 'chat' }, 'Sec-WebSocket-Protocol'],
    [{ protocol: '' }, 'Sec-WebSocket-Protocol'],
    [{ offeredProtocols: 'mqtt', protocol: 'chat' }, 'Sec-WebSocket-Protocol'],
    [{ offeredProtocols: 'mqtt', protocol: 'MQTT' }, 'Sec-WebSocket-Protocol'],
    [{ offeredProtocols: 'mqtt, chat', protocol: 'mqtt, chat' }, 'Sec-WebSocket-Protocol'],
    [{ extensions: 'permessage-deflate' }, 'Sec-WebSocket-Extensions'],
    [{ offeredExtensions: 'x-other', extensions: deflate }, 'Sec-WebSocket-Extensions'],
    [{ offeredExtensions: deflate, extensions: `${deflate}, x-other` }, 'Sec-WebSocket-Extensions'],
  ])('with %j is refused, for its %s', (change, about) => {
    expect(checkUpgradeResponse({ ...right, ...change })).toContain(about)
  })
})

test('no values make the checks throw', () => {
  const text = fc.option(fc.string(), { nil: undefined })
  fc.assert(
    fc.property(text, text, text, text, (a, b, c, d) => {
      checkUpgradeRequest({ method: 'GET', minor: 1, upgrade: a, version: b, key: c })
      checkUpgradeResponse({
        status: 101,
        upgrade: 'websocket',
        accept: sampleAccept,
        key: sampleKey,
        offeredProtocols: a,
        protocol: b,
        offeredExtensions: c,
        extensions: d,
      })
    }),
  )
})
