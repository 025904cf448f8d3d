import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readdirSync } from 'node:fs'
import { basename } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'

/** A program of this folder that runs as a process of its own and answers questions, a JSON line each way. */
export class Dialogue {
  readonly #process: ChildProcess
  readonly #ended: Promise<unknown>
  readonly #waiting = new Map<number, PromiseWithResolvers<unknown>>()
  #asked = 0
  #complaint = ''

  /** @param program its file, run by the runtime of the test */
  constructor(program: URL, args: readonly string[] = []) {
    const file = fileURLToPath(program)
    // Node shows its collector to programs only when it is asked to.
    const flags = process.versions.bun === undefined ? ['--expose-gc'] : []
    this.#process = spawn(process.execPath, [...flags, file, ...args], { stdio: 'pipe' })
    this.#ended = once(this.#process, 'close')
    this.#process.stdin?.on('error', () => {})
    this.#process.stderr?.setEncoding('utf8').on('data', (text: string) => {
      this.#complaint = (this.#complaint + text).slice(-4000)
    })
    createInterface({ input: this.#process.stdout! }).on('line', (line) => this.#hear(line))
    void this.#ended.then(() => {
      const error = new Error(`${basename(file)} ended: ${this.#complaint}`)
      for (const question of this.#waiting.values()) question.reject(error)
      this.#waiting.clear()
    })
  }

  get pid(): number {
    return this.#process.pid as number
  }

  /** Descriptors that it has open. */
  get descriptors(): number {
    return readdirSync(`/proc/${this.pid}/fd`).length
  }

  /** Several questions may be open at a time. Rejects when it cannot do that, and when it ends first. */
  ask<Answer = null>(command: object): Promise<Answer> {
    const id = ++this.#asked
    const question = Promise.withResolvers<unknown>()
    this.#waiting.set(id, question)
    this.#process.stdin?.write(`${JSON.stringify({ id, command })}\n`)
    return question.promise as Promise<Answer>
  }

  /** Ends it at once. */
  async kill(): Promise<void> {
    if (this.#process.exitCode === null && this.#process.signalCode === null) this.#process.kill('SIGKILL')
    await this.#ended
  }

  #hear(line: string): void {
    const { id, answer, error } = JSON.parse(line) as { id: number; answer?: unknown; error?: string }
    const question = this.#waiting.get(id)
    this.#waiting.delete(id)
    if (error === undefined) question?.resolve(answer)
    else question?.reject(new Error(error))
  }
}
