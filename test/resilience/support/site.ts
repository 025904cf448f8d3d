import { readFileSync } from 'node:fs'
import type { GatewayOptions } from '../../../src/index.ts'
import type { BackendCommand } from './backend-main.ts'
import { Dialogue } from './dialogue.ts'
import type { FleetReport } from './fleet.ts'
import type { FleetCommand } from './fleet-main.ts'
import type { GatewayCommand, GatewayReport, MemoryReport } from './gateway-main.ts'
import { until } from './until.ts'

const programs = {
  backend: new URL('./backend-main.ts', import.meta.url),
  fleet: new URL('./fleet-main.ts', import.meta.url),
  gateway: new URL('./gateway-main.ts', import.meta.url),
}

/** A backend that runs in a process of its own. */
export class BackendProcess {
  readonly name: string
  readonly address: string
  readonly #dialogue: Dialogue

  constructor(name: string, address: string, dialogue: Dialogue) {
    this.name = name
    this.address = address
    this.#dialogue = dialogue
  }

  /** Tunnels it has, as it counts them itself, once it has so many, or how many it has instead. */
  live(count: number): Promise<number> {
    const question: BackendCommand = { do: 'live' }
    return until(
      () => this.#dialogue.ask<number>(question),
      (live) => live === count,
    )
  }

  kill(): Promise<void> {
    return this.#dialogue.kill()
  }
}

/** Processes that a test started, and the one place that ends them. */
export class Site {
  readonly #dialogues: Dialogue[] = []

  async backend(name: string): Promise<BackendProcess> {
    const dialogue = this.#start('backend', name)
    const port = await dialogue.ask<number>({ do: 'port' } satisfies BackendCommand)
    return new BackendProcess(name, `127.0.0.1:${port}`, dialogue)
  }

  backends(...names: string[]): Promise<BackendProcess[]> {
    return Promise.all(names.map((name) => this.backend(name)))
  }

  /** @param leak bytes that it is to lose with each tunnel. @default 0 */
  async gateway(options: GatewayOptions, leak = 0): Promise<GatewayProcess> {
    const dialogue = this.#start('gateway', JSON.stringify(options), `${leak}`)
    return new GatewayProcess(dialogue, await dialogue.ask<number>({ do: 'port' }))
  }

  fleet(port: number): FleetProcess {
    return new FleetProcess(this.#start('fleet', `${port}`))
  }

  /** Ends everything. */
  async close(): Promise<void> {
    await Promise.all(this.#dialogues.splice(0).map((dialogue) => dialogue.kill()))
  }

  #start(program: keyof typeof programs, ...args: string[]): Dialogue {
    const dialogue = new Dialogue(programs[program], args)
    this.#dialogues.push(dialogue)
    return dialogue
  }
}

/** A gateway that runs in a process of its own. */
export class GatewayProcess {
  readonly port: number
  readonly #dialogue: Dialogue

  constructor(dialogue: Dialogue, port: number) {
    this.#dialogue = dialogue
    this.port = port
  }

  /** Descriptors that it has open. */
  get descriptors(): number {
    return this.#dialogue.descriptors
  }

  status(): Promise<GatewayReport> {
    return this.#ask({ do: 'status' })
  }

  /** Its status once it has so many seats and clients, or what it has instead. */
  statusWith(count: number): Promise<GatewayReport> {
    return until(
      () => this.status(),
      ({ admission }) => admission.seats === count && admission.clientConnections === count,
    )
  }

  memory(): Promise<MemoryReport> {
    return this.#ask({ do: 'memory' })
  }

  reload(options: GatewayOptions): Promise<unknown> {
    return this.#ask({ do: 'reload', options })
  }

  /** @param over milliseconds @returns whether it was emptied */
  drain(backend: string, over: number): Promise<boolean> {
    return this.#ask({ do: 'drain', backend, over })
  }

  #ask<Answer>(command: GatewayCommand): Promise<Answer> {
    return this.#dialogue.ask(command)
  }
}

/** Clients that run in a process of their own. */
export class FleetProcess {
  readonly #dialogue: Dialogue

  constructor(dialogue: Dialogue) {
    this.#dialogue = dialogue
  }

  tell(command: FleetCommand): Promise<unknown> {
    return this.#dialogue.ask(command)
  }

  report(): Promise<FleetReport> {
    return this.#dialogue.ask({ do: 'report' } satisfies FleetCommand)
  }
}

/** Descriptors that a process may have open here. */
export function descriptorLimit(): number {
  const limits = readFileSync('/proc/self/limits', 'utf8')
  return Number(/^Max open files\s+\d+\s+(\d+)/m.exec(limits)?.[1] ?? 1024)
}
