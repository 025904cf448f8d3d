import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { Child } from '../child.ts'
import { pinned, type Role, tethered } from '../cores.ts'
import { findFreePort } from '../free-port.ts'
import { cpuBetween, listProcessTree, readCpu, readPeakBytes, readResidentBytes } from '../proc.ts'
import { answersInTime } from '../rig.ts'
import { findRuntime, packageFolder } from '../runtimes.ts'
import type { Contender } from './contenders.ts'
import {
  type BackendCommand,
  type BackendReport,
  type ClientsCommand,
  type ClientsReport,
  rateOf,
  type Storm,
} from './storm.ts'

const startDeadlineMs = 10_000
const calmDeadlineMs = 30_000

/** So many tunnels at most are opened before the storm, at less than half of what the backends take: code is compiled. */
const calmClients = 400

/** What a proxy made of a storm. */
export interface StormResult {
  readonly clients: ClientsReport
  /** Of the backends that were there. */
  readonly backends: readonly BackendReport[]
  /** Resident memory of the proxy before the storm, and the most it ever had. */
  readonly bytesBefore: number
  readonly bytesPeak: number
  /** Processor time of the proxy in the storm. */
  readonly cpuMs: number
}

/** Puts a contender between backends and clients of its own, and lets the storm come. */
export async function weather(storm: Storm, contender: Contender, folder: string): Promise<StormResult> {
  const children: Child[] = []
  const started = (child: Child) => {
    children.push(child)
    return child
  }
  try {
    const backends = await Promise.all(
      Array.from({ length: storm.backends }, async () => {
        const child = started(startOwn('backend', 'backend-main.ts', JSON.stringify(storm.server)))
        const { port } = JSON.parse(await child.readLine(startDeadlineMs)) as { port: number }
        return { child, port }
      }),
    )
    const clients = started(startOwn('generator', 'clients-main.ts'))
    mkdirSync(folder)
    const port = await findFreePort()
    const places = { port, backendPorts: backends.map((backend) => backend.port), folder }
    const proxy = started(new Child(tethered(pinned('proxy', contender.command(places, storm)))))
    if (!(await answersInTime(port, proxy))) throw new Error(proxy.complaint || 'no answer through it')
    const calm = {
      clients: Math.min(calmClients, storm.clients),
      perSecond: 0.4 * storm.backends * rateOf(storm),
    }
    await ask(clients, { kind: 'calm', port, ...calm }, calmDeadlineMs)
    await ask(clients, { kind: 'leave' }, calmDeadlineMs)
    for (const { child } of backends.slice(0, storm.down)) await child.stop()
    const live = backends.slice(storm.down).map(({ child }) => child)
    return await observe(storm, { proxy, port, clients, live })
  } finally {
    await Promise.all(children.map((child) => child.stop()))
  }
}

interface Players {
  readonly proxy: Child
  readonly port: number
  readonly clients: Child
  readonly live: readonly Child[]
}

async function observe(storm: Storm, { proxy, port, clients, live }: Players): Promise<StormResult> {
  const askAll = (command: BackendCommand) =>
    Promise.all(live.map((child) => ask<BackendReport>(child, command, startDeadlineMs)))
  await askAll('begin')
  const pids = listProcessTree(proxy.pid)
  const bytesBefore = readResidentBytes(pids)
  const cpu = readCpu(pids)
  const { clients: count, deadlineMs } = storm
  const command: ClientsCommand = { kind: 'storm', port, clients: count, deadlineMs }
  const report = await ask<ClientsReport>(clients, command, deadlineMs + startDeadlineMs)
  const cpuMs = cpuBetween(cpu, readCpu(pids)) / 1e6
  if (proxy.ended) throw new Error(`the proxy ended in the storm: ${proxy.complaint}`)
  const bytesPeak = readPeakBytes(pids)
  return { clients: report, backends: await askAll('report'), bytesBefore, bytesPeak, cpuMs }
}

function startOwn(role: Role, program: string, ...args: string[]): Child {
  const bun = findRuntime('bun')
  if (bun === null) throw new Error('the bench needs Bun for its clients and backends; run npm ci')
  const file = join(packageFolder, 'bench/storm', program)
  return new Child(tethered(pinned(role, { file: bun, args: [file, ...args], talks: true })))
}

async function ask<T>(
  child: Child,
  command: BackendCommand | ClientsCommand,
  deadlineMs: number,
): Promise<T> {
  child.writeLine(JSON.stringify(command))
  return JSON.parse(await child.readLine(deadlineMs)) as T
}
