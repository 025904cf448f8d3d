/**
 * `npm run bench:storm`: thousands of clients return at once, and each backend takes only so many new connections a
 * second. Fairlead, HAProxy and nginx one after the other. See bench/README.md.
 */
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { describeMachine } from '../cores.ts'
import { parseList } from '../parse-options.ts'
import { runProgram } from '../program.ts'
import { reportDate } from '../report-files.ts'
import { packageFolder } from '../runtimes.ts'
import { type Contender, contenderNames, findContender } from './contenders.ts'
import { weather } from './field.ts'
import type { Storm } from './storm.ts'
import { arrivalsPicture, clientsPicture, stormTable, type Weathered } from './storm-report.ts'

const usage = `npm run bench:storm -- [options]
  --only LIST      contenders: ${contenderNames.join(', ')} (default: all)
  --out FOLDER     where the report and every single sample go (default bench/results)
  --images FOLDER  where the pictures go (default docs/images)
  --smoke          only to see that everything runs: the figures mean nothing
  --help`

/** A backend that is busy for 2 ms with each handshake takes 500 a second. */
const server = { handshakeMs: 2, line: 511, refusalMs: 0.5 }
const fullStorm: Storm = { clients: 5000, backends: 2, down: 0, server, deadlineMs: 60_000 }
const smokeStorm: Storm = {
  ...fullStorm,
  clients: 100,
  server: { handshakeMs: 10, line: 20, refusalMs: 1 },
  deadlineMs: 20_000,
}

interface Scene {
  readonly title: string
  /** Last part of the pictures' names. */
  readonly name: string
  readonly storm: Storm
}

function scenesOf(storm: Storm): Scene[] {
  return [
    { title: 'Both backends are there', name: 'both', storm },
    { title: 'One of the two backends is gone', name: 'one-gone', storm: { ...storm, down: 1 } },
  ]
}

function say(text: string): void {
  console.error(text)
}

function parseOptions() {
  const { values } = parseArgs({
    options: {
      only: { type: 'string' },
      out: { type: 'string', default: join(packageFolder, 'bench/results') },
      images: { type: 'string', default: join(packageFolder, 'docs/images') },
      smoke: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  })
  const { only } = values
  return { ...values, names: only === undefined ? contenderNames : parseList('--only', only, contenderNames) }
}

interface Run {
  readonly storm: Storm
  readonly contenders: readonly Contender[]
  readonly folder: string
  readonly failures: string[]
}

async function play({ storm, contenders, folder, failures }: Run, scene: string): Promise<Weathered[]> {
  const all: Weathered[] = []
  for (const contender of contenders) {
    say(`${scene}: ${contender.name}`)
    try {
      const result = await weather(storm, contender, join(folder, `${scene}-${contender.name}`))
      all.push({ name: contender.name, result })
    } catch (error) {
      failures.push(`${scene}, ${contender.name}: ${(error as Error).message}`)
      say(`${contender.name} failed and is left out: ${(error as Error).message}`)
    }
  }
  return all
}

async function bench(options: ReturnType<typeof parseOptions>, folder: string): Promise<void> {
  const contenders: Contender[] = []
  const lines: string[] = []
  for (const name of options.names) {
    const found = findContender(name, folder)
    lines.push(`- ${name}: ${'missing' in found ? `skipped, ${found.missing}` : found.title}`)
    if (!('missing' in found)) contenders.push(found)
  }
  const date = reportDate()
  const machine = describeMachine()
  const parts = [`${date}, ${machine}.`, lines.join('\n')]
  const samples: Record<string, readonly Weathered[]> = {}
  const failures: string[] = []
  mkdirSync(options.images, { recursive: true })
  for (const { title, name, storm } of scenesOf(options.smoke ? smokeStorm : fullStorm)) {
    const all = await play({ storm, contenders, folder, failures }, name)
    samples[name] = all
    parts.push(`${title}:`, stormTable(storm, all))
    writeFileSync(join(options.images, `storm-arrivals-${name}.svg`), arrivalsPicture(storm, all))
    writeFileSync(join(options.images, `storm-clients-${name}.svg`), clientsPicture(storm, all))
  }
  parts.push(...failures.map((failure) => `- FAILED ${failure}`))
  const report = parts.join('\n\n')
  console.log(report)
  const path = join(options.out, `storm-${date.replace(' ', '-').replace(':', '')}`)
  mkdirSync(options.out, { recursive: true })
  writeFileSync(`${path}.md`, `${report}\n`)
  writeFileSync(`${path}.json`, `${JSON.stringify({ date, machine, samples, failures })}\n`)
  say(`written to ${path}.{md,json} and ${options.images}`)
  if (failures.length > 0) process.exitCode = 1
}

runProgram({ usage, parse: parseOptions, run: bench })
