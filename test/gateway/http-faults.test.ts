import { readdirSync } from 'node:fs'
import fc from 'fast-check'
import { afterEach, describe, expect, test } from 'vitest'
import { eventually } from './support/eventually.ts'
import { Stage } from './support/stage.ts'
import type { Wire } from './support/wire.ts'

const stage = new Stage()
afterEach(() => stage.close())

const get = 'GET /x HTTP/1.1\r\nHost: a.test\r\n\r\n'

/** What a client does to its connection. */
const clientActs = [
  'read',
  'reset',
  'close',
  'half-close',
  'half a head',
  'half a body',
  'nonsense',
  'two',
] as const
/** What a backend does with a request. */
const backendActs = [
  'answer',
  'answer in chunks',
  'answer until close',
  'reset',
  'end',
  'half a head',
  'half a body and end',
  'half a body and reset',
  'nonsense',
  'too much',
  'close after',
  'interim and reset',
] as const

const plan = fc.array(
  fc.record({
    client: fc.constantFrom(...clientActs),
    backend: fc.constantFrom(...backendActs),
    turns: fc.nat(6),
  }),
  { minLength: 300, maxLength: 300 },
)

function act(wire: Wire, what: (typeof backendActs)[number]): void {
  const ok = 'HTTP/1.1 200 OK\r\n'
  const scripts: Record<(typeof backendActs)[number], () => unknown> = {
    answer: () => wire.send(`${ok}Content-Length: 2\r\n\r\nok`),
    'answer in chunks': () => wire.send(`${ok}Transfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n`),
    'answer until close': () => wire.send(`${ok}\r\nok`).end(),
    reset: () => wire.reset(),
    end: () => wire.end(),
    'half a head': () => wire.send(ok).end(),
    'half a body and end': () => wire.send(`${ok}Content-Length: 9\r\n\r\nok`).end(),
    'half a body and reset': () => {
      wire.send(`${ok}Transfer-Encoding: chunked\r\n\r\n9\r\nok`)
      wire.reset()
    },
    nonsense: () => wire.send('nonsense\r\n\r\n'),
    'too much': () => wire.send(`${ok}Content-Length: 2\r\n\r\nok${ok}Content-Length: 2\r\n\r\nno`),
    'close after': () => wire.send(`${ok}Connection: close\r\nContent-Length: 2\r\n\r\nok`).end(),
    'interim and reset': () => {
      wire.send('HTTP/1.1 103 Early Hints\r\n\r\n')
      wire.reset()
    },
  }
  scripts[what]()
}

async function visit(wire: Wire, what: (typeof clientActs)[number], turns: number): Promise<void> {
  const post = 'POST /x HTTP/1.1\r\nHost: a.test\r\nContent-Length: 9\r\n\r\n'
  if (what === 'nonsense') wire.send('nonsense\r\n\r\n')
  else if (what === 'half a head') wire.send(get.slice(0, 12))
  else if (what === 'half a body') wire.send(`${post}half`)
  else if (what === 'two') wire.send(get + get)
  else wire.send(get)
  for (let i = 0; i < turns; i++) await new Promise((resolve) => setImmediate(resolve))
  if (what === 'reset' || what === 'half a body') wire.reset()
  else if (what === 'close' || what === 'half a head') wire.close()
  else if (what === 'read') await wire.message().catch(() => {})
  else {
    // Whatever becomes of it, it ends.
    wire.end()
    await wire.ending()
  }
  wire.close()
}

describe('whatever clients and backends do to each other', () => {
  test('300 requests later nothing is left open, and the gateway serves and drains as before', async () => {
    await fc.assert(
      fc.asyncProperty(plan, async (steps) => {
        const before = descriptors()
        let step = 0
        const backend = await stage.raw(async (wire) => {
          for (;;) {
            await wire.until('\r\n\r\n')
            act(wire, steps[step++ % steps.length]?.backend ?? 'answer')
          }
        })
        const { gateway, port, log } = await stage.gateway({ backends: [backend.address] })
        for (let i = 0; i < steps.length; i += 10) {
          const group = steps.slice(i, i + 10)
          await Promise.all(
            group.map(async ({ client, turns }) => visit(await stage.client(port), client, turns)),
          )
        }
        for (const wire of backend.connections) wire.close()
        expect(await eventually(() => descriptors() <= before + 4)).toBe(true)
        const started = performance.now()
        await gateway.drain(5000)
        expect(performance.now() - started).toBeLessThan(1000)
        await stage.close()
        expect(await eventually(() => descriptors() <= before)).toBe(true)
        expect(log.lines.filter(({ level }) => level === 'error')).toEqual([])
      }),
      { numRuns: 3 },
    )
  }, 60_000)

  test('an answer is never mixed with another, however its bytes are cut', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.record({ text: fc.stringMatching(/^[a-z]{0,40}$/), chunked: fc.boolean() }), {
          minLength: 1,
          maxLength: 12,
        }),
        fc.array(fc.integer({ min: 1, max: 60 }), { minLength: 1, maxLength: 8 }),
        async (answers, cuts) => {
          const backend = await stage.raw(async (wire) => {
            for (const { text, chunked } of answers) {
              await wire.until('\r\n\r\n')
              await inPieces(wire, encoded(text, chunked), cuts)
            }
          })
          const { port } = await stage.gateway({ backends: [backend.address] })
          const client = await stage.client(port)
          void inPieces(client, get.repeat(answers.length), cuts)
          for (const { text } of answers) expect((await client.message()).body).toBe(text)
          expect(client.pending).toBe(0)
          await stage.close()
        },
      ),
      { numRuns: 40 },
    )
  })
})

function encoded(text: string, chunked: boolean): string {
  if (!chunked) return `HTTP/1.1 200 OK\r\nContent-Length: ${text.length}\r\n\r\n${text}`
  const chunks = text === '' ? '' : `${text.length.toString(16)}\r\n${text}\r\n`
  return `HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n${chunks}0\r\n\r\n`
}

async function inPieces(wire: Wire, text: string, cuts: readonly number[]): Promise<void> {
  let at = 0
  for (let i = 0; at < text.length; i++) {
    const next = at + (cuts[i % cuts.length] as number)
    await wire.flush(Buffer.from(text.slice(at, next)))
    at = next
  }
}

/** Open descriptors of this process; 0 where that cannot be counted. */
function descriptors(): number {
  try {
    return readdirSync('/proc/self/fd').length
  } catch {
    return 0
  }
}
