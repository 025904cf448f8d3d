import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { request } from 'node:http'
import { type AddressInfo, createServer } from 'node:net'
import { fileURLToPath } from 'node:url'
import type { Browser, Page } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { launchChromium } from './support/chromium.ts'

// The demo as `npm start` runs it, on the runtime that runs this test, with a real browser.

const main = fileURLToPath(new URL('../src/cli/main.ts', import.meta.url))
const started: ChildProcess[] = []
const patience = 30_000

interface Demo {
  readonly process: ChildProcess
  readonly url: string
  readonly ended: Promise<number | null>
}

function startCommand(...args: string[]) {
  const child = spawn(process.execPath, [main, 'demo', ...args], { stdio: ['ignore', 'pipe', 'pipe'] })
  started.push(child)
  let output = ''
  const add = (text: string) => {
    output += text
  }
  child.stdout.setEncoding('utf8').on('data', add)
  child.stderr.setEncoding('utf8').on('data', add)
  const ended = once(child, 'close').then(([code]) => code as number | null)
  return { child, ended, output: () => output }
}

async function startDemo(): Promise<Demo> {
  const { child, ended, output } = startCommand('--port', '0')
  for (;;) {
    const url = /Open +(http:\S+)\n/.exec(output())?.[1]
    if (url !== undefined) return { process: child, url, ended }
    const more = once(child.stdout, 'data')
    const gone = ended.then(() => 'gone')
    if ((await Promise.race([more, gone])) === 'gone') throw new Error(`the demo ended:\n${output()}`)
  }
}

interface ServerNumbers {
  readonly name: string
  readonly state: string
  readonly pid: number
  readonly connections: number
}

/** The first of the numbers the page lives on. */
async function servers(demo: Demo): Promise<ServerNumbers[]> {
  const response = await fetch(`${demo.url}api/events`)
  const reader = (response.body as ReadableStream<Uint8Array>).getReader()
  const decoder = new TextDecoder()
  let text = ''
  while (!/data: .*\n\n/.test(text)) text += decoder.decode((await reader.read()).value, { stream: true })
  await reader.cancel()
  const data = /data: (.*)\n\n/.exec(text)?.[1] as string
  return (JSON.parse(data) as { servers: ServerNumbers[] }).servers
}

function post(demo: Demo, path: string, headers: Record<string, string>): Promise<number> {
  return new Promise((resolve, reject) => {
    const sent = request(new URL(path, demo.url), { method: 'POST', headers }, (response) => {
      response.resume()
      response.on('end', () => resolve(response.statusCode ?? 0))
    })
    sent.on('error', reject)
    sent.end()
  })
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    // In a container, nobody may collect what has ended: state Z.
    return process.platform !== 'linux' || !/\) Z /.test(readFileSync(`/proc/${pid}/stat`, 'utf8'))
  } catch {
    return false
  }
}

/** Resolves when none of these processes is left; the test's own deadline bounds it. */
async function allGone(pids: readonly number[]): Promise<void> {
  while (pids.some(isAlive)) await new Promise((resolve) => setTimeout(resolve, 20))
}

afterAll(() => {
  for (const child of started) if (child.exitCode === null) child.kill('SIGKILL')
})

describe('the demo in a browser', () => {
  let demo: Demo
  let browser: Browser
  let page: Page
  const complaints: string[] = []
  const elsewhere: string[] = []

  const connected = (server: string) => page.locator(`.dot[data-state=open][data-server=${server}]`).count()
  const spread = async () => Promise.all(['amber', 'teal', 'violet'].map(connected))
  // The page's content security policy forbids `waitForFunction`, which evaluates text; locators do not.
  const shows = (selector: string, text: string | RegExp) =>
    page.locator(selector, { hasText: text }).first().waitFor({ timeout: 15_000 })
  const open = (count: number) =>
    page
      .locator('.dot[data-state=open]')
      .nth(count - 1)
      .waitFor({ timeout: 15_000 })
  const heard = (text: string) => shows('#journal li', text)

  beforeAll(async () => {
    ;[demo, browser] = await Promise.all([startDemo(), launchChromium()])
    page = await browser.newPage({ viewport: { width: 1440, height: 900 } })
    page.on('console', (message) => {
      if (['error', 'warning'].includes(message.type())) complaints.push(message.text())
    })
    page.on('pageerror', (error) => complaints.push(error.message))
    page.on('request', (sent) => {
      if (!sent.url().startsWith(demo.url)) elsewhere.push(sent.url())
    })
    await page.goto(`${demo.url}?clients=0`)
    await page.locator('.server[data-state=running]').nth(2).waitFor()
  }, patience)

  afterAll(async () => {
    await browser?.close()
  }, patience)

  test(
    'clients land on all three servers in turn',
    async () => {
      await page.getByRole('button', { name: '+10' }).click()
      await open(10)
      expect((await spread()).sort()).toEqual([3, 3, 4])
      await page.getByRole('button', { name: '+1', exact: true }).click()
      await open(11)
      expect((await spread()).sort()).toEqual([3, 4, 4])
      await shows('#total-connections', /^11$/)
      const numbers = await servers(demo)
      expect(numbers.map(({ connections }) => connections)).toEqual(await spread())
    },
    patience,
  )

  test(
    'what a client says is heard by the clients of its server',
    async () => {
      await page.getByLabel(/^Say something as client 1 on/).fill('hello from the test')
      await page.getByRole('button', { name: 'Send', exact: true }).click()
      await heard('client 1hello from the test')
    },
    patience,
  )

  test(
    'chatter moves the rates of all servers',
    async () => {
      await page.getByText('Let them chatter').click()
      for (const server of ['amber', 'teal', 'violet']) {
        await shows(`.server[data-server=${server}] .rate strong`, /[1-9]/)
      }
      await page.getByText('Let them chatter').click()
    },
    patience,
  )

  test(
    'the page spreads HTTP requests as well',
    async () => {
      await page.getByRole('button', { name: 'Send 10 HTTP requests' }).click()
      await heard('10 HTTP requests answered: ')
      const line = (await page.locator('#journal .event').first().textContent()) ?? ''
      expect([...line.matchAll(/(\d) by/g)].map(([, count]) => Number(count)).sort()).toEqual([3, 3, 4])
    },
    patience,
  )

  test(
    'clients of a killed server move to the others',
    async () => {
      const lost = await connected('teal')
      await page.getByRole('button', { name: 'Kill Teal' }).click()
      await page.locator('.server[data-server=teal][data-state=stopped]').waitFor()
      await heard(`${lost} clients reconnected`)
      await open(11)
      expect(await connected('teal')).toBe(0)
      expect((await spread()).filter((count) => count > 0)).toHaveLength(2)
    },
    patience,
  )

  test(
    'a server that is started again gets new clients',
    async () => {
      await page.getByRole('button', { name: 'Start Teal' }).click()
      await page.locator('.server[data-server=teal][data-state=running]').waitFor()
      await page.getByRole('button', { name: '+10' }).click()
      await open(21)
      expect(await connected('teal')).toBeGreaterThanOrEqual(3)
    },
    patience,
  )

  test(
    'the dots can be chosen with the keyboard',
    async () => {
      await page.locator('.dot input').first().focus()
      await page.keyboard.press('ArrowRight')
      expect(await page.locator('#say-label').textContent()).toMatch(/^Say something as client 2 on/)
    },
    patience,
  )

  test(
    'closed clients leave their servers',
    async () => {
      await page.getByRole('button', { name: 'Close one' }).click()
      await open(20)
      await page.getByRole('button', { name: 'Close all' }).click()
      await shows('#total-connections', /^0$/)
      expect((await servers(demo)).map(({ connections }) => connections)).toEqual([0, 0, 0])
    },
    patience,
  )

  test.each([1440, 820, 390, 320])(
    'the page fits a screen %i pixels wide',
    async (width) => {
      await page.setViewportSize({ width, height: 844 })
      expect(await page.evaluate('document.documentElement.scrollWidth')).toBeLessThanOrEqual(width)
    },
    patience,
  )

  test('the browser had nothing to complain about and asked nobody else', () => {
    expect(complaints).toEqual([])
    expect(elsewhere).toEqual([])
  })

  test(
    'Ctrl-C says so on the page and ends every process',
    async () => {
      const pids = (await servers(demo)).map(({ pid }) => pid)
      expect(pids.every(isAlive)).toBe(true)
      demo.process.kill('SIGINT')
      expect(await demo.ended).toBe(0)
      await allGone(pids)
      await page.getByText('The gateway does not answer').waitFor()
    },
    patience,
  )
})

describe('the demo', () => {
  let demo: Demo

  beforeAll(async () => {
    demo = await startDemo()
  }, patience)

  test.each([
    ['a page of another site', { 'sec-fetch-site': 'cross-site' }],
    ['another port of this machine', { 'sec-fetch-site': 'same-site' }],
    ['a foreign origin', { origin: 'https://example.com' }],
    ['a frame without origin', { origin: 'null' }],
    ['a name that was pointed here', { host: 'example.com', origin: 'http://example.com' }],
  ])(
    'does not obey %s',
    async (_, headers: Record<string, string>) => {
      expect(await post(demo, '/api/servers/amber/stop', headers)).toBe(403)
      expect((await servers(demo)).map(({ state }) => state)).toEqual(['running', 'running', 'running'])
    },
    patience,
  )

  test(
    'obeys its own page and the command line, for its own servers only',
    async () => {
      const own = { origin: new URL(demo.url).origin, 'sec-fetch-site': 'same-origin' }
      expect(await post(demo, '/api/servers/amber/stop', own)).toBe(200)
      expect((await servers(demo)).map(({ state }) => state)).toEqual(['stopped', 'running', 'running'])
      expect(await post(demo, '/api/servers/amber/start', {})).toBe(200)
      expect(await post(demo, '/api/servers/amber/restart', own)).toBe(404)
      expect(await post(demo, '/api/servers/sshd/stop', own)).toBe(404)
      expect((await fetch(new URL('/api/servers/amber/stop', demo.url))).status).toBe(405)
      expect((await servers(demo)).map(({ state }) => state)).toEqual(['running', 'running', 'running'])
    },
    patience,
  )

  test(
    'leaves no process behind when it is killed itself',
    async () => {
      const pids = (await servers(demo)).map(({ pid }) => pid)
      demo.process.kill('SIGKILL')
      await demo.ended
      await allGone(pids)
    },
    patience,
  )

  test(
    'names the port when it is busy',
    async () => {
      const other = createServer().listen(0, '127.0.0.1')
      await once(other, 'listening')
      const { port } = other.address() as AddressInfo
      const command = startCommand('--port', String(port))
      expect(await command.ended).toBe(1)
      expect(command.output()).toContain(String(port))
      expect(command.output()).not.toContain('    at ')
      other.close()
      await once(other, 'close')
    },
    patience,
  )
})
