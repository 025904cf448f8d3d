import { percentile } from '../../statistics.ts'
import type { Broadcasts, HubResult, Span, Watched } from '../job.ts'
import { Crowd } from './crowd.ts'
import { type Dialect, type DialectName, dialects } from './dialect.ts'
import type { Member } from './member.ts'
import { messageText } from './message-text.ts'
import { Meter } from './meter.ts'

const probes = 50
const probeMs = 100
const quietMs = 50
const leastBroadcasts = 10
const latencyCapacity = 1 << 20

/** The members of a room and somebody who publishes to it. */
export class Auditorium {
  readonly #dialect: Dialect
  readonly #members: Crowd
  readonly #speakers: Crowd
  readonly #frames = new Map<number, Uint8Array>()

  private constructor(dialect: Dialect, members: Crowd, speakers: Crowd) {
    this.#dialect = dialect
    this.#members = members
    this.#speakers = speakers
  }

  /** Resolves when a message to the room reaches everybody, on every node. */
  static async open(ports: readonly number[], dialect: DialectName, count: number): Promise<Auditorium> {
    const text = messageText
    const members = await Crowd.gather({ ports, dialect, role: 'member', count, text })
    const home = ports.slice(0, 1)
    const speakers = await Crowd.gather({ ports: home, dialect, role: 'publisher', count: 1, text })
    const auditorium = new Auditorium(dialects[dialect], members, speakers)
    await auditorium.#probe()
    return auditorium
  }

  /** Publishes as soon as everybody has what was published before, in whole bursts from the first to the last. */
  async broadcast({ burst, inFlight, warmMs, measureMs, ...watched }: Broadcasts & Span & Watched) {
    const each = burst * this.#members.members.size
    let due = this.#members.delivered
    const publish = () => this.#publish(burst)
    const next = async () => {
      due += each
      await this.#members.untilDelivered(due)
      publish()
    }
    for (let i = 0; i < inFlight; i++) publish()
    const warmUntil = performance.now() + warmMs
    while (performance.now() < warmUntil) await next()
    const before = this.#members.delivered
    const meter = new Meter(watched)
    for (let i = 0; i < leastBroadcasts || meter.elapsedMs < measureMs; i++) await next()
    const cpu = meter.finish()
    const units = this.#members.delivered - before
    await this.#members.untilDelivered(due + inFlight * each)
    return { ...cpu, units, p50Us: null, p99Us: null } satisfies HubResult
  }

  /**
   * Publishes one message in each interval, and times every delivery. A message that has to wait for its predecessor
   * counts from when it was due.
   */
  async paced({ intervalMs, warmMs, measureMs, ...watched }: Span & Watched & { intervalMs: number }) {
    const latencies = new Float64Array(latencyCapacity)
    let recorded = 0
    let sentAt = 0
    let counts = false
    this.#members.received = (_, messages) => {
      if (counts && recorded < latencyCapacity) latencies[recorded++] = performance.now() - sentAt
      this.#members.deliver(messages)
    }
    const run = async (ms: number) => {
      const start = performance.now()
      for (let due = start; due - start < ms; due += intervalMs) {
        const early = due - performance.now()
        if (early > 0) await sleep(early)
        sentAt = early > 0 ? performance.now() : due
        const all = this.#members.delivered + this.#members.members.size
        this.#publish(1)
        await this.#members.untilDelivered(all)
      }
    }
    await run(warmMs)
    const before = this.#members.delivered
    const meter = new Meter(watched)
    counts = true
    await run(measureMs)
    counts = false
    const cpu = meter.finish()
    const units = this.#members.delivered - before
    const sorted = latencies.slice(0, recorded).sort()
    const [p50Us, p99Us] = [0.5, 0.99].map((share) => percentile(sorted, share) * 1000) as [number, number]
    return { ...cpu, units, p50Us, p99Us } satisfies HubResult
  }

  async close(): Promise<void> {
    await Promise.all([this.#members.disperse(), this.#speakers.disperse()])
  }

  #publish(times: number): void {
    let frame = this.#frames.get(times)
    if (frame === undefined) {
      frame = this.#dialect.message(`${times} ${messageText}`)
      this.#frames.set(times, frame)
    }
    const [speaker] = this.#speakers.members as ReadonlySet<Member>
    if (speaker === undefined) throw new Error('the publisher was lost')
    speaker.say(frame)
  }

  /** A cluster learns of its members in its own time. */
  async #probe(): Promise<void> {
    for (let i = 0; i < probes; i++) {
      this.#publish(1)
      await sleep(probeMs)
      if ([...this.#members.members].every((member) => member.messages > 0)) {
        let last = -1
        while (last !== this.#members.delivered) {
          last = this.#members.delivered
          await sleep(quietMs)
        }
        return
      }
    }
    const deaf = [...this.#members.members].filter((member) => member.messages === 0).length
    throw new Error(`${deaf} members of the room have not heard any of ${probes} messages`)
  }
}

function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms))
}
