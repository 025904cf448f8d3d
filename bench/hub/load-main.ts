/**
 * The clients of `npm run bench:hub`, in their own process on Bun's raw sockets. Reads jobs from standard input and
 * answers on standard output, one JSON line each, one job at a time; ends when its standard input ends.
 */
import { createInterface } from 'node:readline'
import type { HubAnswer, HubJob, HubResult } from './job.ts'
import { Auditorium } from './load/auditorium.ts'
import type { Crowd } from './load/crowd.ts'
import { greet, measureEchoes } from './load/echoes.ts'

let auditorium: Auditorium | null = null
let idle: Crowd | null = null

async function perform(job: HubJob): Promise<HubResult | null> {
  switch (job.kind) {
    case 'gather':
      auditorium = await Auditorium.open(job.ports, job.dialect, job.members)
      return null
    case 'broadcast':
      return gathered().broadcast(job)
    case 'paced':
      return gathered().paced(job)
    case 'disperse':
      await disperse()
      return null
    case 'echo':
      return measureEchoes(job)
    case 'idle':
      idle = await greet(job)
      return null
  }
}

function gathered(): Auditorium {
  if (auditorium === null) throw new Error('nobody is gathered')
  return auditorium
}

async function disperse(): Promise<void> {
  const [room, crowd] = [auditorium, idle]
  auditorium = null
  idle = null
  await Promise.all([room?.close(), crowd?.disperse()])
}

async function answer(line: string): Promise<HubAnswer> {
  try {
    return { ok: true, result: await perform(JSON.parse(line)) }
  } catch (error) {
    await disperse().catch(() => {})
    return { ok: false, error: error instanceof Error ? error.message : String(error) }
  }
}

for await (const line of createInterface({ input: process.stdin })) {
  console.log(JSON.stringify(await answer(line)))
}
process.exit(0)
