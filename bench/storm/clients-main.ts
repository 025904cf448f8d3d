/**
 * The clients of the storm, in their own process on Bun's raw sockets. Reads commands from standard input and answers
 * on standard output, one JSON line each; ends when its standard input ends.
 */
import { createInterface } from 'node:readline'
import { ReturningClient } from './returning-client.ts'
import { type ClientsCommand, type ClientsReport, type Entry, now } from './storm.ts'

const lookMs = 5

/** Clients that were sent off together. */
class Crowd {
  readonly #clients: ReturningClient[] = []
  readonly #entries: Entry[] = []
  readonly #failures: Record<string, number> = {}
  readonly #startedAt = now()
  #inside = 0
  #lost = 0

  join(port: number, count: number): void {
    for (let i = 0; i < count; i++) {
      const client = new ReturningClient(port, this)
      this.#clients.push(client)
      client.start()
    }
  }

  entered(entry: Entry): void {
    this.#inside++
    this.#entries.push(entry)
  }

  failed(reason: string, wasOpen: boolean): void {
    const name = wasOpen ? `open tunnel: ${reason}` : reason
    this.#failures[name] = (this.#failures[name] ?? 0) + 1
    if (!wasOpen) return
    this.#inside--
    this.#lost++
  }

  /** Resolves when all are in, or the time is over. */
  async settle(deadlineMs: number): Promise<ClientsReport> {
    const deadline = now() + deadlineMs
    while (this.#inside < this.#clients.length && now() < deadline) await sleep(lookMs)
    return {
      startedAt: this.#startedAt,
      entries: this.#entries,
      failures: this.#failures,
      lost: this.#lost,
    }
  }

  leave(): void {
    for (const client of this.#clients) client.leave()
  }
}

let crowd = new Crowd()

async function obey(command: ClientsCommand): Promise<ClientsReport | null> {
  if (command.kind === 'leave') {
    crowd.leave()
    return null
  }
  crowd = new Crowd()
  if (command.kind === 'storm') {
    crowd.join(command.port, command.clients)
    return crowd.settle(command.deadlineMs)
  }
  for (let i = 0; i < command.clients; i++) {
    crowd.join(command.port, 1)
    await sleep(1000 / command.perSecond)
  }
  return crowd.settle(10_000)
}

function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms))
}

for await (const line of createInterface({ input: process.stdin })) {
  console.log(JSON.stringify(await obey(JSON.parse(line))))
}
process.exit(0)
