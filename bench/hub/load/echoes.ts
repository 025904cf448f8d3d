import type { HubResult, Span, Watched } from '../job.ts'
import { Crowd } from './crowd.ts'
import { type DialectName, dialects } from './dialect.ts'
import { messageText } from './message-text.ts'
import { Meter } from './meter.ts'

interface EchoPlace {
  readonly port: number
  readonly dialect: DialectName
  readonly connections: number
}

/** Connections that each send their message again as soon as it is back. */
export async function measureEchoes(job: EchoPlace & Span & Watched): Promise<HubResult> {
  const { warmMs, measureMs, ...watched } = job
  const crowd = await greet(job)
  const frame = dialects[job.dialect].message(messageText)
  let going = true
  crowd.received = (member, messages) => {
    crowd.deliver(messages)
    if (going) member.say(frame)
  }
  for (const member of crowd.members) member.say(frame)
  await sleep(warmMs)
  const before = crowd.delivered
  const meter = new Meter(watched)
  await sleep(measureMs)
  const cpu = meter.finish()
  const units = crowd.delivered - before
  going = false
  await crowd.disperse()
  return { ...cpu, units, p50Us: null, p99Us: null }
}

/** Connections that have carried one message each way. */
export async function greet({ port, dialect, connections }: EchoPlace): Promise<Crowd> {
  const crowd = await Crowd.gather({
    ports: [port],
    dialect,
    role: 'echo',
    count: connections,
    text: messageText,
  })
  const frame = dialects[dialect].message(messageText)
  for (const member of crowd.members) member.say(frame)
  await crowd.untilDelivered(connections)
  return crowd
}

function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms))
}
