/**
 * A gateway in a process of its own, as a program that uses the library has it.
 *
 *     gateway-main.ts OPTIONS [LEAK]
 *
 * Takes its options as JSON. With LEAK it keeps so many bytes for each tunnel it ever had: a mistake that a test of
 * its memory has to find.
 */
import {
  type BackendStatus,
  createGateway,
  type Gateway,
  type GatewayOptions,
  type Log,
} from '../../../src/index.ts'
import { answerAll } from './answering.ts'

export type GatewayCommand =
  | { readonly do: 'port' | 'status' | 'memory' }
  | { readonly do: 'reload'; readonly options: GatewayOptions }
  /** Answered when the backend is empty. */
  | { readonly do: 'drain'; readonly backend: string; readonly over: number }

export interface GatewayReport {
  readonly backends: readonly BackendStatus[]
  readonly admission: Gateway['admission']
  /** What was logged as an error. */
  readonly errors: readonly string[]
}

/** After everything that is garbage was collected. */
export interface MemoryReport {
  /** What the runtime's own heap holds. */
  readonly heap: number
  readonly resident: number
}

const [, , text = '', leak = '0'] = process.argv
const errors: string[] = []
const log: Log = {
  debug() {},
  info() {},
  warn() {},
  error(fields, message) {
    if (errors.length < 20) errors.push(`${message} ${JSON.stringify(fields)}`)
  },
}
const gateway = createGateway(JSON.parse(text), { log })
const leaked: Uint8Array[] = []
if (Number(leak) > 0) gateway.on('tunnel.closed', () => leaked.push(new Uint8Array(Number(leak)).fill(1)))
await gateway.start()

async function obey(command: GatewayCommand): Promise<unknown> {
  switch (command.do) {
    case 'port':
      return gateway.listeners[0]?.port
    case 'status':
      return { backends: gateway.backends, admission: gateway.admission, errors } satisfies GatewayReport
    case 'memory':
      return memory()
    case 'reload':
      return gateway.reload(command.options)
    case 'drain':
      return gateway.drain(command.backend, { over: command.over })
  }
}

/** Collects until nothing more is found: what one round frees may have held what the next one frees. */
async function memory(): Promise<MemoryReport> {
  let heap = Number.POSITIVE_INFINITY
  for (let round = 0; round < 10; round++) {
    if (process.versions.bun === undefined) globalThis.gc?.()
    else Bun.gc(true)
    // Closed sockets are let go of in the turns after.
    await new Promise((resolve) => setTimeout(resolve, 20))
    const now = process.memoryUsage().heapUsed
    if (now > heap - 16_384 && round >= 3) break
    heap = Math.min(heap, now)
  }
  const { heapUsed, rss } = process.memoryUsage()
  return { heap: heapUsed, resident: rss }
}

await answerAll(obey)
