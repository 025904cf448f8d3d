import type { Browser } from 'playwright-core'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { Talker } from '../gateway/support/talker.ts'
import { launchChromium } from '../support/chromium.ts'
import { Site } from './support/site.ts'

// Every kind of WebSocket client through the command as users start it, to three servers in processes of their own.

const site = new Site()
const names = ['a', 'b', 'c']
let port: number
let browser: Browser | undefined

beforeAll(async () => {
  port = (await site.proxy(await site.services(...names))).port
})
afterAll(async () => {
  await browser?.close()
  await site.remove()
})

test('the ws package talks to all three servers', async () => {
  const clients = await Promise.all(names.map(() => new Talker(port, [], true).opened))
  const greetings = await Promise.all(clients.map((client) => client.next()))
  expect(greetings.map(({ data }) => String(data)).sort()).toEqual(names)
  for (const client of clients) {
    expect(String((await client.ask('hello')).data)).toBe('hello')
    client.socket.close(4000, 'done')
    expect(await client.closed).toEqual({ code: 4000, reason: expect.any(String) })
  }
})

test("the runtime's own WebSocket talks to all three servers", async () => {
  const talks = await Promise.all(names.map(() => talk()))
  expect(talks.map(([name]) => name).sort()).toEqual(names)
  for (const [, ...rest] of talks) expect(rest).toEqual(['hello', 1000])
})

function talk(): Promise<unknown[]> {
  return new Promise((resolve, reject) => {
    const socket = new WebSocket(`ws://127.0.0.1:${port}/`)
    const heard: unknown[] = []
    socket.onmessage = ({ data }) => {
      heard.push(data)
      if (heard.length === 1) socket.send('hello')
      else socket.close(1000)
    }
    socket.onclose = ({ code }) => resolve([...heard, code])
    socket.onerror = () => reject(new Error('the WebSocket failed'))
  })
}

test('Chromium loads a page and talks from there to all three servers', async () => {
  browser = await launchChromium()
  const page = await browser.newPage()
  await page.goto(`http://127.0.0.1:${port}/`)
  const talks = (await page.evaluate('Promise.all(Array.from({ length: 9 }, talk))')) as unknown[][]
  // Other connections (the page, an icon) take their turns as well, so the shares need not be equal.
  expect([...new Set(talks.map(([name]) => name))].sort()).toEqual(names)
  for (const [, ...rest] of talks) expect(rest).toEqual(['hello from the page', 1000])
}, 40_000)
