import { describe, expect, test } from 'vitest'
import { parseListen, parseTo } from './addresses.ts'

describe('parseListen', () => {
  test.each([
    ['8080', { port: 8080 }],
    [':8080', { port: 8080 }],
    ['*:8080', { port: 8080 }],
    ['0', { port: 0 }],
    ['127.0.0.1:8080', { host: '127.0.0.1', port: 8080 }],
    ['localhost:8080', { host: '127.0.0.1', port: 8080 }],
    ['[::1]:8080', { host: '::1', port: 8080 }],
    ['unix:/run/x.sock', { path: '/run/x.sock' }],
  ])('takes %s', (text, expected) => {
    expect(parseListen(text)).toEqual(expected)
  })

  test.each(['', 'x', '70000', '-1', 'example.com:80', '127.0.0.1', '::1:80', '[::g]:80', 'unix:', '80x'])(
    'refuses %j',
    (text) => expect(parseListen(text)).toBeUndefined(),
  )
})

describe('parseTo', () => {
  test.each([
    ['3001', 'localhost:3001'],
    [':3001', 'localhost:3001'],
    ['localhost:3001', 'localhost:3001'],
    ['10.0.0.1:3001', '10.0.0.1:3001'],
    ['[::1]:3001', '[::1]:3001'],
    ['unix:/run/x.sock', 'unix:/run/x.sock'],
    ['http://localhost:3001', 'localhost:3001'],
    ['http://localhost:3001/', 'localhost:3001'],
    ['ws://[::1]:3001', '[::1]:3001'],
    ['http://example.com', 'example.com:80'],
    ['http://[::1]', '[::1]:80'],
  ])('takes %s as %s', (text, expected) => {
    expect(parseTo(text)).toBe(expected)
  })

  test.each([
    '',
    'localhost',
    '0',
    '70000',
    'https://x:1',
    'http://x:1/path',
    'http://me:pw@x:1',
    'unix:',
    '::1:3',
  ])('refuses %j', (text) => expect(parseTo(text)).toBeUndefined())
})
