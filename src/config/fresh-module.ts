import { fileURLToPath } from 'node:url'
import { Worker } from 'node:worker_threads'
import { type ErrorCode, FairleadError } from '../core/errors.ts'

/** What the program in the worker tells. */
export type FreshModule = { readonly value: unknown } | { readonly code: ErrorCode; readonly message: string }

/** The file beside this one: TypeScript from source, JavaScript from `dist/`. */
const program = fileURLToPath(new URL(`./fresh-module-main${import.meta.url.slice(-3)}`, import.meta.url))

/** A config that is not evaluated by then hangs, in milliseconds. */
const patience = 10_000

/**
 * The default export of a `.ts` or `.js` config as it is now, with everything it imports. No runtime forgets a module
 * that it has evaluated, so this is done in a thread of its own, which ends afterwards. Plain data only.
 * @throws FairleadError as `loadModule` does
 */
export async function freshModule(file: string): Promise<unknown> {
  const worker = new Worker(program, { workerData: file })
  let timer: NodeJS.Timeout | undefined
  try {
    const result = await new Promise<FreshModule>((resolve, reject) => {
      worker.once('message', resolve)
      worker.once('error', (error) => reject(invalid(`${file}: ${firstLine(error)}`)))
      worker.once('exit', (code) => reject(invalid(`${file}: ${endOf(code)}`)))
      timer = setTimeout(() => reject(invalid(`${file}: it took longer than ${patience / 1000} s`)), patience)
    })
    if ('value' in result) return result.value
    throw new FairleadError(result.code, result.message, { source: 'config', retryable: false })
  } finally {
    clearTimeout(timer)
    await worker.terminate()
  }
}

/** Node and Bun end with 13 when nothing is left that a top-level `await` could wait for. */
function endOf(code: number): string {
  return code === 13
    ? "it waits for something that never comes ('await')"
    : `it ended the process with code ${code}`
}

/** What was thrown or rejected while it was evaluated, and not caught. */
function firstLine(error: unknown): string {
  return String(error).split('\n', 1)[0] as string
}

function invalid(message: string): FairleadError {
  return new FairleadError('CONFIG_INVALID', message, { source: 'config', retryable: false })
}
