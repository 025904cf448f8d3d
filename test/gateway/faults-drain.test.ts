import { afterEach, expect, test } from 'vitest'
import type { WebSocket } from 'ws'
import { EchoServer } from './support/echo-server.ts'
import { eventually } from './support/eventually.ts'
import { closeFrame, closeOf, type Frame, frame, opcodes, readFrame } from './support/frames.ts'
import { joinTunnel } from './support/handshakes.ts'
import { Stage } from './support/stage.ts'
import { Talker } from './support/talker.ts'
import type { Wire } from './support/wire.ts'

const stage = new Stage()
afterEach(() => stage.close())

const sizes = [0, 1, 5, 124, 125, 126, 127, 1000, 65_535, 65_536, 150_000]

/** Sends numbered frames in pieces that know nothing of frames, until it is told to stop. */
class Talk {
  /** Payloads in order, as far as they were begun. */
  readonly said: Buffer[] = []
  stopped = false
  readonly #wire: Wire
  readonly #masked: boolean
  #unsent = Buffer.alloc(0)

  constructor(wire: Wire, masked: boolean) {
    this.#wire = wire
    this.#masked = masked
  }

  async run(seed: number): Promise<void> {
    for (let step = seed; !this.stopped; step++) {
      while (this.#unsent.length < 100_000) this.#say(step)
      const piece = this.#unsent.subarray(0, 1 + ((step * 7919) % 60_000))
      this.#unsent = this.#unsent.subarray(piece.length)
      await this.#wire.flush(piece)
      // Both ends keep what was said: on a busy machine a drain takes long, and nobody may talk as fast as he can.
      if (this.said.length > 50) await new Promise((resolve) => setTimeout(resolve, 10))
    }
    // The rest of the frame at hand is what the Close waits for.
    await this.#wire.flush(Buffer.concat([this.#unsent, closeFrame(1001, '', this.#masked)]))
  }

  #say(step: number): void {
    const payload = Buffer.alloc(
      sizes[(step + this.said.length) % sizes.length] as number,
      this.said.length & 255,
    )
    this.said.push(payload)
    this.#unsent = Buffer.concat([this.#unsent, frame(opcodes.binary, payload, { masked: this.#masked })])
  }
}

/** Everything up to the Close, each frame whole. */
async function heard(wire: Wire): Promise<{ frames: Frame[]; close: Frame }> {
  const frames: Frame[] = []
  for (;;) {
    const next = await readFrame(wire)
    if (next.opcode === opcodes.close) return { frames, close: next }
    frames.push(next)
  }
}

test.each([
  ['the gateway', 1001, 'gateway stopping'],
  ['a backend', 1012, 'backend draining'],
] as const)(
  'a drain of %s amid talk in both directions never puts its Close inside a frame',
  async (what, code, reason) => {
    const backend = await stage.raw()
    const { gateway, port } = await stage.gateway({ backends: [backend.address] })
    const tunnels = []
    for (let index = 0; index < 12; index++) tunnels.push(await joinTunnel(stage, port, backend))
    const talks = tunnels.map(
      ({ client, server }) => [new Talk(client, true), new Talk(server, false)] as const,
    )
    const ears = tunnels.map(({ client, server }) => [heard(server), heard(client)] as const)
    const over = talks.flatMap((both, index) => both.map((talk, side) => talk.run(index * 31 + side * 17)))
    expect(await eventually(() => talks.every((both) => both.every(({ said }) => said.length > 20)))).toBe(
      true,
    )

    const drained =
      what === 'a backend' ? gateway.drain(backend.address, { over: 500 }) : gateway.drain(60_000)
    for (const [index, both] of ears.entries()) {
      for (const [side, ear] of both.entries()) {
        const { frames, close } = await ear
        const { said } = (talks[index] as readonly Talk[])[side] as Talk
        expect(closeOf(close)).toEqual({ code, reason })
        expect(frames.every(({ payload }, at) => payload.equals(said[at] as Buffer))).toBe(true)
      }
    }
    for (const both of talks) for (const talk of both) talk.stopped = true
    await Promise.all(over)
    for (const { client, server } of tunnels) {
      expect(await Promise.all([client.rest(), server.rest()])).toEqual([
        { text: '', ending: 'fin' },
        { text: '', ending: 'fin' },
      ])
      client.end()
      server.end()
    }
    await drained
  },
)

test.each([
  ['plain', false],
  ['compressed', true],
] as const)('a drain is 1001 for everybody in the middle of a conversation (%s)', async (_kind, deflate) => {
  const codes: number[] = []
  const onConnection = (socket: WebSocket) => {
    socket.on('message', (data, binary) => socket.send(data, { binary }))
    socket.on('error', () => codes.push(-1))
    socket.on('close', (code) => codes.push(code))
  }
  const backend = await new EchoServer({ deflate, onConnection }).listen()
  stage.add(() => backend.close())
  const { gateway, port } = await stage.gateway({ backends: [backend.address] })
  const clients = await Promise.all(Array.from({ length: 40 }, () => new Talker(port, [], deflate).opened))
  let answers = 0
  for (const [index, { socket }] of clients.entries()) {
    socket.on('error', () => codes.push(-1))
    socket.on('message', () => {
      answers++
      if (socket.readyState === socket.OPEN)
        socket.send(Buffer.alloc(sizes[(answers + index) % sizes.length] as number, index))
    })
    for (let started = 0; started < 3; started++) socket.send('begin')
  }
  expect(await eventually(() => answers > 500)).toBe(true)
  await gateway.drain(60_000)
  for (const { closed } of clients) expect(await closed).toEqual({ code: 1001, reason: 'gateway stopping' })
  expect(await eventually(() => codes.length === 40)).toBe(true)
  expect(new Set(codes)).toEqual(new Set([1001]))
})
