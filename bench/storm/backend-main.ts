/**
 * A backend that takes only so many new connections a second, in its own process on Bun.
 *
 *     backend-main.ts LIMITS
 *
 * Takes its limits as JSON. Prints its port as a JSON line; reads a command on each line of its standard input and
 * answers each with a line. Ends when its standard input ends.
 */
import { createInterface } from 'node:readline'
import type { Socket, SocketHandler } from '../../src/net/socket.ts'
import { socketPort } from '../../src/net/socket-port.ts'
import { acceptFor } from '../frames.ts'
import { SerialServer } from './serial-server.ts'
import { type BackendCommand, type BackendReport, now } from './storm.ts'

const answer = Buffer.from('HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n')

/** A connection whose handshake is not done yet. */
interface Arrival {
  readonly socket: Socket
  readonly dueAt: number
  head: string
}

const server = new SerialServer(JSON.parse(process.argv[2] ?? ''))
const line: Arrival[] = []
let timer: ReturnType<typeof setTimeout> | null = null
let arrivals: number[] = []
let refused = 0
let pausedMs = 0
let seenAt = now()

/** Milliseconds between two looks at the clock. */
const look = 5
setInterval(() => {
  const at = now()
  pausedMs = Math.max(pausedMs, at - seenAt - look)
  seenAt = at
}, look)

function arrive(socket: Socket): void {
  const at = now()
  arrivals.push(at)
  const dueAt = server.arrive(at)
  if (dueAt === null) {
    refused++
    socket.handler = ended
    socket.abort()
    return
  }
  const arrival: Arrival = { socket, dueAt, head: '' }
  socket.context = arrival
  socket.handler = waiting
  line.push(arrival)
  schedule()
}

function schedule(): void {
  const first = line[0]
  if (timer === null && first !== undefined) timer = setTimeout(work, Math.max(1, first.dueAt - now()))
}

/** Does the handshakes whose time has come. The work is done also for those who have left: the server cannot know. */
function work(): void {
  timer = null
  const until = now()
  let done = 0
  while (done < line.length && (line[done] as Arrival).dueAt <= until) done++
  for (const arrival of line.splice(0, done)) {
    server.serve()
    arrival.socket.handler = served
    greet(arrival)
  }
  schedule()
}

function greet({ socket, head }: Arrival): void {
  if (!head.includes('\r\n\r\n')) return
  const key = /\r\nsec-websocket-key:[ \t]*(\S+)/i.exec(head)?.[1]
  socket.handler = ended
  if (key === undefined) {
    socket.write(answer)
    socket.end()
    return
  }
  socket.write(
    Buffer.from(
      `HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${acceptFor(key)}\r\n\r\n`,
    ),
  )
}

/** Those in the line, and those behind it whose request has not come yet. */
function taking(then: (arrival: Arrival) => void): SocketHandler {
  return {
    onOpen() {},
    onData(socket, chunk) {
      const arrival = socket.context as Arrival
      arrival.head += Buffer.from(chunk).toString('latin1')
      then(arrival)
    },
    onDrain() {},
    onEnd: (socket) => socket.end(),
    onClose() {},
  }
}

const waiting = taking(() => {})
const served = taking(greet)
/** Tunnels, and connections that were refused or answered. Nobody has anything to say in a tunnel. */
const ended: SocketHandler = { ...waiting, onData() {} }

function obey(command: BackendCommand): BackendReport {
  const report = { arrivals, refused, pausedMs }
  if (command === 'begin') {
    arrivals = []
    refused = 0
    pausedMs = 0
  }
  return report
}

const listener = await socketPort.listen({ host: '127.0.0.1', port: 0 }, arrive)
console.log(JSON.stringify({ port: listener.port }))
for await (const text of createInterface({ input: process.stdin })) {
  console.log(JSON.stringify(obey(JSON.parse(text))))
}
process.exit(0)
