import { describe, expect, test } from 'vitest'
import { Message } from '../message.ts'
import type { TopicMember } from '../transport.ts'
import { batchOf, type RecordingOwner, type StartTransport } from './transport-rig.ts'
import { TransportStage } from './transport-stage.ts'

const turn = () => new Promise<void>((resolve) => setImmediate(resolve))

/** Holds the topics of a transport that has them to every sentence of `transport.ts`, over real sockets. */
export function topicsContract(name: string, start: StartTransport): void {
  describe(`the topics of ${name}`, () => {
    const { startRig, open } = new TransportStage(start)
    const topicsOf = ({ connection }: RecordingOwner) => connection?.topics as TopicMember

    test('what is published stands in its place among what is sent', async () => {
      const rig = await startRig()
      const { client, owner } = await open(rig)
      const topics = topicsOf(owner)
      topics.subscribe('topic')
      topics.subscribe('topic')
      owner.connection?.send(batchOf('1'))
      topics.publisher.publish('topic', new Message('2'))
      topics.publisher.publish('topic', new Message(Buffer.from('3')))
      topics.publisher.publish('other', new Message('never'))
      owner.connection?.send(batchOf('4', '5'))
      topics.publisher.publish('topic', new Message(''))
      owner.connection?.close(1000, '')
      const frames = []
      for (let at = 0; at < 7; at++) frames.push(await client.next())
      expect(frames.map(({ opcode, payload }) => `${opcode} ${payload}`).slice(0, 6)).toEqual([
        '1 1',
        '1 2',
        '2 3',
        '1 4',
        '1 5',
        '1 ',
      ])
      expect(frames[6]?.opcode).toBe(8)
    })

    test('what is published in one turn leaves in one write', async () => {
      const rig = await startRig()
      const { client, owner } = await open(rig)
      const topics = topicsOf(owner)
      topics.subscribe('topic')
      await turn()
      const before = client.reads
      for (let at = 0; at < 20; at++) topics.publisher.publish('topic', new Message(`${at}`))
      await client.until(() => client.frames.length === 20)
      expect(client.reads - before).toBe(1)
    })

    test('who comes and goes gets what is published between', async () => {
      const rig = await startRig()
      const { client, owner } = await open(rig)
      const topics = topicsOf(owner)
      const publish = (text: string) => topics.publisher.publish('topic', new Message(text))
      publish('before')
      topics.subscribe('topic')
      publish('between')
      topics.unsubscribe('topic')
      topics.unsubscribe('topic')
      publish('after')
      topics.subscribe('topic')
      publish('again')
      expect([await client.nextText(), await client.nextText()]).toEqual(['between', 'again'])
    })

    test('a peer that does not read is told of, loses nothing, and has caught up when it says so', async () => {
      const rig = await startRig()
      const { client, owner } = await open(rig)
      const topics = topicsOf(owner)
      topics.subscribe('topic')
      client.socket.pause()
      expect(topics.keepsUp()).toBe(true)
      let sent = 0
      while (topics.keepsUp()) {
        expect(++sent).toBeLessThan(2000)
        topics.publisher.publish('topic', new Message(Buffer.alloc(16 * 1024, sent)))
        await turn()
      }
      owner.connection?.send(batchOf('last'))
      expect(owner.told).toEqual(['opened'])
      client.socket.resume()
      await owner.untilTold('drained')
      expect(topics.keepsUp()).toBe(true)
      await client.until(() => client.frames.length === sent + 1)
      expect(client.frames.slice(0, -1).every(({ payload }, at) => payload[0] === (at + 1) % 256)).toBe(true)
    })

    test('a peer has caught up only when it has taken everything, however much that is', async () => {
      const rig = await startRig()
      const { client, owner } = await open(rig)
      const topics = topicsOf(owner)
      topics.subscribe('topic')
      client.socket.pause()
      topics.publisher.publish('topic', new Message(Buffer.alloc(32 * 1024 * 1024)))
      expect(topics.keepsUp()).toBe(false)
      client.socket.resume()
      await owner.untilTold('drained')
      expect(owner.connection?.queuedBytes).toBe(0)
    })

    test('after its end a connection is no member, and nothing happens', async () => {
      const rig = await startRig()
      const [first, second] = [await open(rig), await open(rig)]
      const topics = topicsOf(first.owner)
      topics.subscribe('topic')
      topicsOf(second.owner).subscribe('topic')
      first.client.destroy()
      await first.owner.untilTold('closed')
      topics.publisher.publish('topic', new Message('on'))
      topics.subscribe('topic')
      topics.unsubscribe('topic')
      expect(topics.keepsUp()).toBe(true)
      expect(await second.client.nextText()).toBe('on')
    })

    test('with compression, messages arrive as they are', async () => {
      const rig = await startRig({ compression: true })
      const headers = { 'Sec-WebSocket-Extensions': 'permessage-deflate' }
      const [compressed, plain] = [await open(rig, { headers }), await open(rig)]
      const all = [compressed, plain]
      for (const { owner } of all) topicsOf(owner).subscribe('topic')
      const large = 'a large message '.repeat(200)
      for (const text of ['small', large]) topicsOf(plain.owner).publisher.publish('topic', new Message(text))
      expect([await plain.client.nextText(), await plain.client.nextText()]).toEqual(['small', large])
      expect(await compressed.client.next()).toMatchObject({ rsv1: false })
      expect(await compressed.client.next()).toMatchObject({ rsv1: true })
    })
  })
}
