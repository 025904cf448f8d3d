/**
 * The load generator, in its own process on Bun's raw sockets. Reads jobs from standard input and answers on standard
 * output, one JSON line each, one job at a time; ends when its standard input ends.
 */
import { createInterface } from 'node:readline'
import type { Job, JobAnswer, WindowResult } from './job.ts'
import { measureMessages, measurePaced } from './load/messages.ts'
import { measureRequests } from './load/requests.ts'
import { IdleTunnels } from './load/tunnels.ts'
import { measureUpgrades } from './load/upgrades.ts'

const idleTunnels = new IdleTunnels()

async function perform(job: Job): Promise<WindowResult | null> {
  switch (job.kind) {
    case 'messages':
      return measureMessages(job)
    case 'paced':
      return measurePaced(job, job.intervalMs)
    case 'requests':
      return measureRequests(job)
    case 'upgrades':
      return measureUpgrades(job)
    case 'open-tunnels':
      await idleTunnels.open(job.port, job.count)
      return null
    case 'close-tunnels':
      await idleTunnels.close()
      return null
  }
}

async function answer(line: string): Promise<JobAnswer> {
  try {
    return { ok: true, result: await perform(JSON.parse(line)) }
  } catch (error) {
    return { ok: false, error: error instanceof Error ? error.message : String(error) }
  }
}

for await (const line of createInterface({ input: process.stdin })) {
  console.log(JSON.stringify(await answer(line)))
}
process.exit(0)
