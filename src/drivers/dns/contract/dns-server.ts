import { createSocket, type Socket as UdpSocket } from 'node:dgram'
import { once } from 'node:events'
import { createServer, type Server } from 'node:net'

/** One record; `data` is an IPv4 address, an IPv6 address in full, or what an SRV record says. */
export type DnsRecord =
  | { readonly type: 'A' | 'AAAA'; readonly ttl: number; readonly data: string }
  | {
      readonly type: 'SRV'
      readonly ttl: number
      readonly data: {
        readonly priority: number
        readonly weight: number
        readonly port: number
        readonly target: string
      }
    }

const types = { A: 1, AAAA: 28, SRV: 33 } as const
export const rcodes = { ok: 0, serverFailure: 2, noSuchName: 3, refused: 5 } as const

/** A small name server on loopback, over UDP and TCP (RFC 1035 §4), that says what a test wants. */
export class DnsServer {
  /** By name. A name that is not there does not exist. */
  readonly zone = new Map<string, readonly DnsRecord[]>()
  /** What every question is answered with unless it is `ok`. */
  rcode: number = rcodes.ok
  /** Answers nothing at all. */
  silent = false
  /** Answers over UDP are cut, which sends the one who asks to TCP. */
  truncates = false
  /** Questions so far: name and type. */
  readonly questions: string[] = []
  /** Questions over TCP so far. */
  overTcp = 0
  readonly #udp: UdpSocket = createSocket('udp4')
  readonly #tcp: Server

  constructor() {
    this.#udp.on('message', (query, { port, address }) => {
      const answer = this.#answer(query, this.truncates)
      if (answer !== null) this.#udp.send(answer, port, address)
    })
    this.#tcp = createServer((socket) => {
      socket.on('error', () => {})
      socket.on('data', (chunk: Buffer) => {
        this.overTcp++
        const answer = this.#answer(chunk.subarray(2), false)
        if (answer !== null) socket.write(Buffer.concat([short(answer.length), answer]))
      })
    })
  }

  get address(): string {
    return `127.0.0.1:${this.#udp.address().port}`
  }

  async listen(): Promise<this> {
    this.#tcp.listen(0, '127.0.0.1')
    await once(this.#tcp, 'listening')
    this.#udp.bind((this.#tcp.address() as { port: number }).port, '127.0.0.1')
    await once(this.#udp, 'listening')
    return this
  }

  close(): void {
    this.#udp.close()
    this.#tcp.close()
  }

  #answer(query: Buffer, truncated: boolean): Buffer | null {
    const { name, end } = readName(query)
    const type = query.readUInt16BE(end)
    this.questions.push(`${name} ${Object.entries(types).find(([, number]) => number === type)?.[0]}`)
    if (this.silent) return null
    const known = this.zone.get(name)
    const rcode = this.rcode !== rcodes.ok || known !== undefined ? this.rcode : rcodes.noSuchName
    const records = rcode === rcodes.ok ? (known ?? []).filter((record) => types[record.type] === type) : []
    const shown = truncated ? [] : records
    const flags = 0x8180 | rcode | (truncated ? 0x0200 : 0)
    const head = [query.subarray(0, 2), short(flags), short(1), short(shown.length), short(0), short(0)]
    return Buffer.concat([...head, query.subarray(12, end + 4), ...shown.map(encodeRecord)])
  }
}

function encodeRecord(record: DnsRecord): Buffer {
  const data = encodeData(record)
  const ttl = Buffer.alloc(4)
  ttl.writeUInt32BE(record.ttl)
  // The name is the one of the question (RFC 1035 §4.1.4).
  return Buffer.concat([short(0xc00c), short(types[record.type]), short(1), ttl, short(data.length), data])
}

function encodeData({ data }: DnsRecord): Buffer {
  if (typeof data === 'string' && data.includes('.')) return Buffer.from(data.split('.').map(Number))
  if (typeof data === 'string')
    return Buffer.concat(data.split(':').map((group) => short(Number.parseInt(group, 16))))
  return Buffer.concat([short(data.priority), short(data.weight), short(data.port), encodeName(data.target)])
}

function encodeName(name: string): Buffer {
  const labels = name.split('.').filter((label) => label !== '')
  return Buffer.concat([
    ...labels.map((label) => Buffer.from([label.length, ...Buffer.from(label)])),
    Buffer.of(0),
  ])
}

function readName(query: Buffer): { name: string; end: number } {
  const labels: string[] = []
  let at = 12
  for (let length = query[at] ?? 0; length > 0; length = query[at] ?? 0) {
    labels.push(query.toString('latin1', at + 1, at + 1 + length).toLowerCase())
    at += 1 + length
  }
  return { name: labels.join('.'), end: at + 1 }
}

function short(value: number): Buffer {
  return Buffer.of(value >> 8, value & 255)
}
