import { parentPort, workerData } from 'node:worker_threads'
import { FairleadError } from '../core/errors.ts'
import type { FreshModule } from './fresh-module.ts'
import { loadModule } from './load-module.ts'

/** Runs in a worker: evaluates one config module and tells its default export. */
async function load(file: string): Promise<FreshModule> {
  try {
    return { value: await loadModule(file) }
  } catch (error) {
    if (error instanceof FairleadError) return { code: error.code, message: error.message }
    throw error
  }
}

const result = await load(String(workerData))
try {
  parentPort?.postMessage(result)
} catch {
  const message = `${workerData}: found a function or another thing that is no plain data`
  parentPort?.postMessage({ code: 'CONFIG_INVALID', message } satisfies FreshModule)
}
