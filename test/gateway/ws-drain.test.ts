import { afterEach, describe, expect, test } from 'vitest'
import { atRest } from './support/at-rest.ts'
import { eventually } from './support/eventually.ts'
import { clientFrame, closeFrame, closeOf, frame, opcodes, readFrame } from './support/frames.ts'
import { joinTunnel, type RawTunnel, rawTunnel } from './support/handshakes.ts'
import { Stage } from './support/stage.ts'
import type { Wire } from './support/wire.ts'

const stage = new Stage()
afterEach(() => stage.close())

const goodbye = { code: 1001, reason: 'gateway stopping' }
/** Longer than any test may take: what ends before was not cut. */
const patience = 60_000

async function answersClose(wire: Wire, masked: boolean): Promise<void> {
  const close = await readFrame(wire)
  expect([closeOf(close), close.masked]).toEqual([goodbye, !masked])
  wire.send(closeFrame(1001, '', masked))
  expect(await wire.ending()).toBe('fin')
  wire.end()
}

/** Both ends answer and are done. */
async function bothAnswer({ client, server }: Pick<RawTunnel, 'client' | 'server'>): Promise<void> {
  await Promise.all([answersClose(client, true), answersClose(server, false)])
}

describe('a drain', () => {
  test('says Close 1001 on both legs of every tunnel, masked to backends, and ends when all have answered', async () => {
    const tunnel = await rawTunnel(stage)
    const others = [
      await joinTunnel(stage, tunnel.port, tunnel.backend),
      await joinTunnel(stage, tunnel.port, tunnel.backend),
    ]
    const drained = tunnel.gateway.drain(patience)
    await Promise.all([bothAnswer(tunnel), ...others.map(bothAnswer)])
    await drained
    expect(tunnel.gateway.backends[0]?.connections).toBe(0)
    expect(tunnel.log.of('tunnel.closed').length).toBe(3)
    expect(tunnel.log.of('tunnel.closed')[0]).toMatchObject({ endedBy: 'gateway', closeCode: 1001 })
  })

  test.each(['client', 'server'] as const)(
    'in the middle of a large frame from the %s waits for its end',
    async (from) => {
      const tunnel = await rawTunnel(stage)
      const [sender, reader] =
        from === 'client' ? [tunnel.client, tunnel.server] : [tunnel.server, tunnel.client]
      const make = from === 'client' ? clientFrame : frame
      const payload = Buffer.alloc(300_000, 'x')
      const whole = make(opcodes.binary, payload)
      sender.send(whole.subarray(0, 100_000))
      expect(await eventually(() => reader.pending > 0)).toBe(true)
      const drained = tunnel.gateway.drain(patience)
      // The other direction is between two frames.
      expect(closeOf(await readFrame(sender))).toEqual(goodbye)
      // The rest of the frame, and what nobody wants any more: a whole message and the start of another.
      sender.send(
        Buffer.concat([whole.subarray(100_000), make(opcodes.text, 'late'), whole.subarray(0, 5000)]),
      )
      expect((await readFrame(reader)).payload.equals(payload)).toBe(true)
      const close = await readFrame(reader)
      expect([closeOf(close), close.masked]).toEqual([goodbye, from === 'client'])
      sender.send(Buffer.concat([whole.subarray(5000), closeFrame(1001, '', from === 'client')]))
      reader.send(closeFrame(1001, '', from !== 'client'))
      expect([await sender.ending(), await reader.ending()]).toEqual(['fin', 'fin'])
      sender.end()
      reader.end()
      await drained
    },
  )

  test.each([1, 2, 3, 5, 6, 7])(
    'lands behind a frame of which %i bytes had come, header included',
    async (bytes) => {
      const tunnel = await rawTunnel(stage)
      const whole = clientFrame(opcodes.text, 'abc')
      tunnel.client.send(whole.subarray(0, bytes))
      expect(await eventually(() => tunnel.server.pending > 0)).toBe(true)
      const drained = tunnel.gateway.drain(patience)
      expect(closeOf(await readFrame(tunnel.client))).toEqual(goodbye)
      tunnel.client.send(whole.subarray(bytes)).send(closeFrame(1001, '', true))
      expect((await readFrame(tunnel.server)).payload.toString()).toBe('abc')
      // The client's own Close came behind it, or ours: one of them, and nothing after it.
      expect(closeOf(await readFrame(tunnel.server)).code).toBe(1001)
      tunnel.server.send(closeFrame(1001, '', false))
      expect(await tunnel.server.rest()).toEqual({ text: '', ending: 'fin' })
      tunnel.server.end()
      tunnel.client.end()
      await drained
    },
  )

  test('between the fragments of a message is no reason to wait', async () => {
    const tunnel = await rawTunnel(stage)
    tunnel.server.send(frame(opcodes.text, 'half', { fin: false }))
    expect((await readFrame(tunnel.client)).fin).toBe(false)
    const drained = tunnel.gateway.drain(patience)
    await bothAnswer(tunnel)
    await drained
  })

  test('reaches a client whose backend never stops talking', async () => {
    const tunnel = await rawTunnel(stage)
    const talk = Buffer.concat(
      Array.from({ length: 997 }, (_, i) => frame(opcodes.text, 'x'.repeat(i % 120))),
    )
    let talking = true
    const more = () => {
      while (talking && tunnel.server.socket.write(talk)) {}
    }
    tunnel.server.socket.on('drain', more)
    more()
    await readFrame(tunnel.client)
    const drained = tunnel.gateway.drain(patience)
    let close = await readFrame(tunnel.client)
    while (close.opcode !== opcodes.close) close = await readFrame(tunnel.client)
    expect(closeOf(close)).toEqual(goodbye)
    talking = false
    tunnel.client.send(closeFrame(1001, '', true))
    expect(await tunnel.client.rest()).toEqual({ text: '', ending: 'fin' })
    tunnel.client.end()
    tunnel.server.end()
    await drained
  })

  test('within a frame larger than memory keeps the pace of the reader', async () => {
    const tunnel = await rawTunnel(stage)
    tunnel.client.socket.pause()
    tunnel.server.send(frame(opcodes.binary, Buffer.alloc(64 * 1024 * 1024)))
    await atRest(() => tunnel.server.socket.writableLength)
    const drained = tunnel.gateway.drain(300)
    expect(closeOf(await readFrame(tunnel.server))).toEqual(goodbye)
    await drained
    expect(tunnel.gateway.backends[0]?.bytesFromBackends).toBeLessThan(48 * 1024 * 1024)
  })

  test('does not speak behind a Close that has passed', async () => {
    const tunnel = await rawTunnel(stage)
    tunnel.server.send(closeFrame(4001, 'mine', false))
    expect(closeOf(await readFrame(tunnel.client))).toEqual({ code: 4001, reason: 'mine' })
    const drained = tunnel.gateway.drain(patience)
    tunnel.client.send(closeFrame(4001, '', true))
    expect(await tunnel.client.rest()).toEqual({ text: '', ending: 'fin' })
    tunnel.client.end()
    expect([4001, 1001]).toContain(closeOf(await readFrame(tunnel.server)).code)
    expect(await tunnel.server.rest()).toEqual({ text: '', ending: 'fin' })
    tunnel.server.end()
    await drained
    expect(await tunnel.log.line('tunnel.closed')).toMatchObject({ endedBy: 'backend', closeCode: 4001 })
  })

  test('cuts at its deadline who does not answer', async () => {
    const tunnel = await rawTunnel(stage)
    const other = await joinTunnel(stage, tunnel.port, tunnel.backend)
    const drained = tunnel.gateway.drain(200)
    await bothAnswer(other)
    expect(await tunnel.client.ending()).toBe('reset')
    expect(await tunnel.server.ending()).toBe('reset')
    await drained
    await tunnel.log.line('tunnel.closed', 1)
    expect(tunnel.gateway.backends[0]?.connections).toBe(0)
  })

  test('that is called again, or while everything ends anyway, ends too', async () => {
    const tunnel = await rawTunnel(stage)
    const drains = [tunnel.gateway.drain(patience), tunnel.gateway.drain(patience)]
    tunnel.client.reset()
    await Promise.all(drains)
    await tunnel.gateway.drain(patience)
  })
})
