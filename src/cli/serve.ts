import { isatty } from 'node:tty'
import { sourcesOf } from '../config/sources.ts'
import { createLog, flushLogs } from '../gateway/create-log.ts'
import { Gateway } from '../gateway/gateway.ts'
import type { Log } from '../gateway/log.ts'
import type { GatewayConfig } from '../gateway/options.ts'
import { socketPort } from '../net/socket-port.ts'
import { runtimeLine, servingLines } from './banner.ts'
import { type ConfigSource, Reloading } from './reloading.ts'
import { say } from './stderr.ts'
import { version } from './version.ts'

const signalNumbers = { SIGHUP: 1, SIGINT: 2, SIGTERM: 15 } as const
type Signal = keyof typeof signalNumbers

/**
 * Two signals closer than this are one: a terminal sends Ctrl-C to every process in the group, and npm passes
 * it on once more to the command it runs.
 */
const echo = 500

/**
 * Runs a gateway until SIGTERM or SIGINT, then lets live work finish within `timeouts.shutdown`; a second
 * signal cuts it. Standard error gets what is for people, standard output the log alone.
 * @param source where another configuration comes from; without it SIGHUP stops the gateway like SIGTERM
 * @returns the exit code: 0, or 128 plus the signal's number when it was cut
 * @throws FairleadError when a listener cannot be opened
 */
export async function serve(config: GatewayConfig, source?: ConfigSource): Promise<number> {
  say(runtimeLine())
  const log = createLog(config.log)
  const gateway = new Gateway(config, {
    sockets: socketPort,
    log,
    logOptions: (options) => log.adjust(options),
    openSource: sourcesOf(),
  })
  keepServing(log)
  const reloading = source === undefined ? null : new Reloading(gateway, source)
  await gateway.start()
  for (const line of servingLines(gateway, gateway.config)) say(line)
  // On a terminal people have just read it.
  const logged = isatty(1) ? silent : log
  logged.info(started(gateway), runtimeLine())
  reloading?.start()
  const signals: Signal[] = source === undefined ? ['SIGHUP', 'SIGINT', 'SIGTERM'] : ['SIGINT', 'SIGTERM']
  const code = await stopped(gateway, new Signals(signals), logged)
  reloading?.stop()
  logged.info({ event: 'gateway.stopped', code }, 'stopped')
  await withinSecond(flushLogs())
  return code
}

const silent: Pick<Log, 'info'> = { info() {} }

function started(gateway: Gateway): object {
  const runtime = process.versions.bun === undefined ? 'node' : 'bun'
  const listeners = gateway.listeners.map(({ address }) => address)
  return { event: 'gateway.started', version, runtime, pid: process.pid, listeners }
}

async function stopped(gateway: Gateway, signals: Signals, log: Pick<Log, 'info'>): Promise<number> {
  const first = await signals.next()
  const patience = gateway.config.timeouts.shutdown
  const text = `${first}: finishing live connections, for up to ${patience / 1000} s; once more to stop at once`
  say(text)
  log.info({ event: 'gateway.draining', signal: first, patienceMs: patience }, text)
  const drained = gateway.drain(patience).then(() => null)
  const second = await Promise.race([drained, signals.next()])
  await gateway.close()
  return second === null ? 0 : 128 + signalNumbers[second]
}

/** The signals that ask the process to end, one after the other. */
class Signals {
  #lastAt = Number.NEGATIVE_INFINITY
  #tell: (signal: Signal) => void = () => {}

  constructor(taken: readonly Signal[]) {
    for (const signal of taken) process.on(signal, () => this.#take(signal))
  }

  next(): Promise<Signal> {
    return new Promise((resolve) => {
      this.#tell = resolve
    })
  }

  #take(signal: Signal): void {
    const now = performance.now()
    if (now - this.#lastAt < echo) return
    this.#lastAt = now
    this.#tell(signal)
  }
}

/**
 * A mistake of ours in one connection must not end the ten thousand others. State is kept per connection and
 * snapshots are replaced whole, so what a thrown error leaves behind is bounded by the connection it came
 * from, which its deadlines end. It is told as loudly as a log can, with code INTERNAL and its stack.
 */
function keepServing(log: Log): void {
  const tell = (err: unknown) =>
    log.error({ event: 'internal.error', code: 'INTERNAL', err }, 'a bug in fairlead, please report it')
  process.on('uncaughtException', tell)
  process.on('unhandledRejection', tell)
}

/** A log whose reader has stopped reading does not keep the process from ending. */
async function withinSecond(flushed: Promise<void>): Promise<void> {
  let timer: NodeJS.Timeout | undefined
  const passed = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, 1000)
  })
  await Promise.race([flushed, passed])
  clearTimeout(timer)
}
