import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'

const main = fileURLToPath(new URL('../../src/cli/main.ts', import.meta.url))

/** The command as users start it, on the runtime that runs this test. */
export class Command {
  readonly process: ChildProcess
  readonly ended: Promise<number | null>
  stdout = ''
  stderr = ''
  #changed: () => void = () => {}

  constructor(folder: string, args: readonly string[], runtimeArgs: readonly string[]) {
    this.process = spawn(process.execPath, [...runtimeArgs, main, ...args], {
      cwd: folder,
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    this.process.stdout?.setEncoding('utf8').on('data', (text: string) => this.#add('stdout', text))
    this.process.stderr?.setEncoding('utf8').on('data', (text: string) => this.#add('stderr', text))
    this.ended = once(this.process, 'close').then(([code]) => code as number | null)
  }

  /** Resolves with the match once it has been printed. */
  async says(pattern: RegExp, on: 'stdout' | 'stderr' = 'stderr'): Promise<RegExpExecArray> {
    for (;;) {
      const match = pattern.exec(this[on])
      if (match) return match
      const ended = await Promise.race([
        this.ended.then(() => true),
        new Promise<false>((resolve) => {
          this.#changed = () => resolve(false)
        }),
      ])
      if (ended && !pattern.test(this[on])) throw new Error(`it never said ${pattern}:\n${this.stderr}`)
    }
  }

  /** The URL of its first listener. */
  async url(): Promise<string> {
    return (await this.says(/listening on (http:\S+)\n/))[1] as string
  }

  #add(stream: 'stdout' | 'stderr', text: string): void {
    this[stream] += text
    this.#changed()
  }
}

/** Starts commands in a folder. */
export function commandsIn(folder: string) {
  const commands: Command[] = []
  const fairlead = (args: readonly string[], runtimeArgs: readonly string[] = []): Command => {
    const command = new Command(folder, args, runtimeArgs)
    commands.push(command)
    return command
  }
  /** Kills those that have not ended. */
  const stopAll = async (): Promise<void> => {
    for (const { process, ended } of commands.splice(0)) {
      if (process.exitCode === null && process.signalCode === null) process.kill('SIGKILL')
      await ended
    }
  }
  return { fairlead, stopAll }
}
