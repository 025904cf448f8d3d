import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { killAll, stopAll } from './child.ts'

/** What the programs of the bench have in common. */
interface Program<Options> {
  readonly usage: string
  /** Reads the command line; a mistake in it is thrown. */
  readonly parse: () => Options & { readonly help: boolean }
  /** Measures; its folder is empty and removed afterwards. */
  readonly run: (options: Options, folder: string) => Promise<void>
}

/** Runs a program of the bench; however it ends, nothing that it started is left behind. */
export function runProgram<Options>(program: Program<Options>): void {
  main(program).catch((error: Error) => {
    console.error(error.message)
    console.error(program.usage)
    process.exitCode = 1
  })
}

async function main<Options>({ usage, parse, run }: Program<Options>): Promise<void> {
  const options = parse()
  if (options.help) return console.log(usage)
  if (process.platform !== 'linux') throw new Error('the bench reads /proc and runs on Linux only')
  const folder = mkdtempSync(join(tmpdir(), 'fairlead-bench-'))
  const tidyUp = async () => {
    await stopAll()
    rmSync(folder, { recursive: true, force: true })
  }
  const leave = async (code: number) => {
    await tidyUp()
    process.exit(code)
  }
  process.once('exit', killAll)
  process.once('SIGINT', () => void leave(130))
  process.once('SIGTERM', () => void leave(143))
  try {
    await run(options, folder)
  } finally {
    await tidyUp()
  }
}
