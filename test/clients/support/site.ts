import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { Program } from './program.ts'

const command = fileURLToPath(new URL('../../../src/cli/main.ts', import.meta.url))
const service = fileURLToPath(new URL('./service-main.ts', import.meta.url))

/** Tests count on whose turn it is. */
const inTurn = ['--policy', 'round-robin']

/** A backend that runs. */
export interface Service {
  readonly name: string
  readonly port: number
  readonly program: Program
}

/** A balancer that runs. */
export interface Balancer {
  readonly port: number
  readonly program: Program
}

/** Processes that a test started, and the one place that ends them. */
export class Site {
  readonly folder = mkdtempSync(join(tmpdir(), 'fairlead-clients-'))
  readonly #programs: Program[] = []

  /** Starts a backend. @param port the one it had before, to start it again */
  async service(name: string, port = 0): Promise<Service> {
    const program = this.#start([service, name, String(port)])
    return { name, port: Number(await program.says(/port (\d+)\n/)), program }
  }

  services(...names: string[]): Promise<Service[]> {
    return Promise.all(names.map((name) => this.service(name)))
  }

  /** `fairlead proxy` in front of backends. */
  proxy(services: readonly Service[]): Promise<Balancer> {
    const to = services.flatMap(({ port }) => ['--to', `127.0.0.1:${port}`])
    return this.#proxy(['proxy', '--listen', '127.0.0.1:0', '--log-level', 'warn', ...inTurn, ...to])
  }

  /**
   * `fairlead run` in front of backends.
   * @param settings further lines of the config file
   * @param pool further fields of the pool
   * @param descriptors most file descriptors it may have
   */
  configured(
    services: readonly Service[],
    settings: string,
    pool = '',
    descriptors?: number,
  ): Promise<Balancer> {
    const file = join(this.folder, 'fairlead.yaml')
    const backends = services.map(({ port }) => `'127.0.0.1:${port}'`).join(', ')
    writeFileSync(
      file,
      `listen: [{ host: 127.0.0.1, port: 0 }]\npools: { all: { policy: round-robin, backends: [${backends}]${pool} } }\nroutes: [{ pool: all }]\n${settings}\n`,
    )
    return this.#proxy(['run', '--config', file], descriptors)
  }

  /** Ends everything. */
  async close(): Promise<void> {
    await Promise.all(this.#programs.splice(0).map((program) => program.kill()))
  }

  /** Also removes the folder. */
  async remove(): Promise<void> {
    await this.close()
    rmSync(this.folder, { recursive: true, force: true })
  }

  async #proxy(args: readonly string[], descriptors?: number): Promise<Balancer> {
    const program = this.#start([command, ...args], descriptors)
    return { port: Number(await program.says(/listening on http:\S+:(\d+)\n/)), program }
  }

  #start(args: readonly string[], descriptors?: number): Program {
    const program = new Program(args, descriptors)
    this.#programs.push(program)
    return program
  }
}
