import { setTimeout as sleep } from 'node:timers/promises'
import { describe, expect, test } from 'vitest'
import type { HistorySlice, HistoryStore, Position } from '../cluster.ts'
import { readHistoryEnvelope } from '../history-envelope.ts'
import {
  Bench,
  BusRecorder,
  bytes,
  type ContractBroker,
  eventually,
  outcome,
  patience,
} from './cluster-rig.ts'

const plenty = { size: 10_000, age: 600_000 }

/** What every history does. */
export function historyContract(broker: () => ContractBroker): void {
  describe('remembers', () => {
    test('what was appended, with contiguous offsets from 1, and publishes the same in the same order', async () => {
      await using bench = new Bench(broker())
      const [writer, reader] = [await open(bench), await open(bench)]
      await reader.bus.subscribe('room')
      const sent = Array.from({ length: 200 }, (_, index) => `${index}`)
      const positions = await Promise.all(
        sent.map((text) => writer.history.append('room', bytes(text), plenty)),
      )
      const { epoch } = positions[0] as Position
      expect(epoch).not.toBe('')
      expect(positions).toEqual(sent.map((_, index) => ({ epoch, offset: index + 1 })))
      await eventually(() => reader.heard.messages.length >= 200, 'all are heard')
      expect(live(reader.heard)).toEqual(sent.map((text, index) => `${epoch} ${index + 1} ${text}`))
      const slice = await reader.history.read('room', { epoch, offset: 0 }, 1000)
      expect(texts(slice)).toEqual(sent.map((text, index) => `${index + 1} ${text}`))
      expect([slice.complete, slice.top]).toEqual([true, { epoch, offset: 200 }])
    })

    test('what several nodes append at once: no offset twice, none missing, heard in that order by all', async () => {
      await using bench = new Bench(broker())
      const nodes = [await open(bench), await open(bench), await open(bench)]
      await Promise.all(nodes.map(({ bus }) => bus.subscribe('room')))
      const positions = await Promise.all(
        nodes.flatMap(({ history }, node) =>
          Array.from({ length: 200 }, (_, index) =>
            history.append('room', bytes(`${node}-${index}`), plenty),
          ),
        ),
      )
      expect(new Set(positions.map(({ epoch }) => epoch)).size).toBe(1)
      expect(positions.map(({ offset }) => offset).sort((a, b) => a - b)).toEqual(
        Array.from({ length: 600 }, (_, index) => index + 1),
      )
      await eventually(() => nodes.every(({ heard }) => heard.messages.length >= 600), 'all hear all')
      const slice = await nodes[0]!.history.read('room', { epoch: positions[0]!.epoch, offset: 0 }, 1000)
      expect(slice.messages.length).toBe(600)
      for (const { heard } of nodes) {
        expect(live(heard).map((line) => line.split(' ').slice(1).join(' '))).toEqual(texts(slice))
      }
    })

    test('any bytes, in rooms of any name, each on its own', async () => {
      await using bench = new Bench(broker())
      const { history } = await open(bench)
      const all = Uint8Array.from({ length: 256 }, (_, index) => index)
      for (const room of ['a b', 'room.*', '{x}y', '日本', '.']) {
        await history.append(room, all, plenty)
        await history.append(room, new Uint8Array(), plenty)
        const { messages, top } = await history.read(room, null, 10)
        expect([...(messages[0]?.payload ?? [])]).toEqual([...all])
        expect([messages[1]?.payload.length, top.offset]).toEqual([0, 2])
      }
    })
  })

  describe('reads', () => {
    test('what came after a position, at most so much, and says whether that is all', async () => {
      await using bench = new Bench(broker())
      const { history } = await open(bench)
      const empty = await history.read('room', null, 10)
      expect([texts(empty), empty.complete, empty.top.offset]).toEqual([[], true, 0])
      const { epoch } = empty.top
      for (const text of ['a', 'b', 'c', 'd']) {
        expect((await history.append('room', bytes(text), plenty)).epoch).toBe(epoch)
      }
      const read = async (offset: number | null, limit: number, other = epoch) => {
        const slice = await history.read('room', offset === null ? null : { epoch: other, offset }, limit)
        expect(slice.top).toEqual({ epoch, offset: 4 })
        return [texts(slice).join(), slice.complete]
      }
      expect(await read(0, 10)).toEqual(['1 a,2 b,3 c,4 d', true])
      expect(await read(2, 10)).toEqual(['3 c,4 d', true])
      expect(await read(2, 2)).toEqual(['3 c,4 d', true])
      expect(await read(4, 10)).toEqual(['', true])
      expect(await read(1, 2)).toEqual(['2 b,3 c', false])
      expect(await read(9, 10)).toEqual(['', false])
      expect(await read(2, 2, 'another')).toEqual(['1 a,2 b', false])
      expect(await read(null, 2)).toEqual(['3 c,4 d', true])
      expect(await read(null, 0)).toEqual(['', true])
      expect(await read(3, 0)).toEqual(['', false])
    })

    test('never a part that looks like the whole: what is trimmed by size is missed', async () => {
      await using bench = new Bench(broker())
      const { history } = await open(bench)
      const limits = { size: 3, age: 600_000 }
      let epoch = ''
      for (let index = 1; index <= 10; index++) {
        epoch = (await history.append('room', bytes(`m${index}`), limits)).epoch
      }
      const gone = await history.read('room', { epoch, offset: 5 }, 100)
      expect([texts(gone), gone.complete]).toEqual([['8 m8', '9 m9', '10 m10'], false])
      const there = await history.read('room', { epoch, offset: 7 }, 100)
      expect([texts(there), there.complete]).toEqual([['8 m8', '9 m9', '10 m10'], true])
    })

    test('what is trimmed by age is missed too, and epoch and offset outlive it', async () => {
      await using bench = new Bench(broker())
      const { history } = await open(bench)
      const limits = { size: 100, age: 400 }
      const { epoch } = await history.append('room', bytes('old'), limits)
      await sleep(700)
      const nothing = await history.read('room', { epoch, offset: 0 }, 10)
      expect([texts(nothing), nothing.complete, nothing.top]).toEqual([[], false, { epoch, offset: 1 }])
      expect(await history.append('room', bytes('new'), limits)).toEqual({ epoch, offset: 2 })
      const slice = await history.read('room', { epoch, offset: 1 }, 10)
      expect([texts(slice), slice.complete]).toEqual([['2 new'], true])
      expect((await history.read('room', { epoch, offset: 0 }, 10)).complete).toBe(false)
    })
  })

  describe('when the broker', () => {
    test('is killed: rejects without having appended; what is remembered is whole or another epoch', async () => {
      const server = broker()
      await using bench = new Bench(server)
      const { history, heard } = await open(bench)
      const before = await history.append('room', bytes('before'), plenty)
      await server.stop()
      await eventually(() => heard.states.length === 1, 'it is down')
      expect(await outcome(history.append('room', bytes('never'), plenty))).toBe('CLUSTER_UNAVAILABLE')
      expect(await outcome(history.read('room', null, 10))).toBe('CLUSTER_UNAVAILABLE')
      await server.start()
      await eventually(() => heard.states.length === 2, 'it is up')
      const after = await history.append('room', bytes('after'), plenty)
      const slice = await history.read('room', before, 10)
      const same = after.epoch === before.epoch
      expect(after.offset).toBe(same ? 2 : 1)
      expect([texts(slice), slice.complete]).toEqual([[`${after.offset} after`], same])
    }, 100_000)

    test('is killed under load: every append settles, none is there twice, none rejected as unavailable is there', async () => {
      const server = broker()
      await using bench = new Bench(server)
      const { history, heard } = await open(bench)
      const ended = new Map<string, Position | string>()
      let sent = 0
      const load = async () => {
        while (heard.states.length < 2 || sent < 500) {
          const text = `m${sent++}`
          ended.set(text, await outcome(history.append('room', bytes(text), plenty)))
          await sleep(2)
        }
      }
      const loads = Promise.all(Array.from({ length: 4 }, load))
      await eventually(() => ended.size > 100, 'it flows')
      await server.stop()
      await sleep(50)
      await server.start()
      await loads
      const { messages, top } = await history.read('room', null, 10_000)
      const offsets = messages.map(({ offset }) => offset)
      expect(offsets).toEqual(
        Array.from({ length: offsets.length }, (_, index) => top.offset - offsets.length + 1 + index),
      )
      const kept = messages.map(({ payload }) => new TextDecoder().decode(payload))
      expect(new Set(kept).size).toBe(kept.length)
      for (const text of kept) expect(ended.get(text)).not.toBe('CLUSTER_UNAVAILABLE')
      const byOffset = new Map(
        messages.map(({ offset, payload }) => [offset, new TextDecoder().decode(payload)]),
      )
      for (const [text, end] of ended) {
        if (typeof end === 'string') expect(['CLUSTER_UNAVAILABLE', 'CLUSTER_UNCERTAIN']).toContain(end)
        else if (end.epoch === top.epoch) expect(byOffset.get(end.offset)).toBe(text)
      }
    }, 100_000)
  })

  test('closes twice, and before `start`, which then rejects', async () => {
    await using bench = new Bench(broker())
    const history = bench.cluster().history as HistoryStore
    await history.close()
    await history.close()
    expect(await outcome(history.start(1_000))).toBe('CLUSTER_UNAVAILABLE')
    expect(await outcome(history.append('room', bytes('x'), plenty))).toBe('CLUSTER_UNAVAILABLE')
  })
}

async function open(bench: Bench) {
  const { bus, history } = bench.cluster()
  if (history === null) throw new Error('this driver keeps no history')
  const heard = new BusRecorder()
  await Promise.all([bus.start(heard, patience), history.start(patience)])
  return { bus, history, heard }
}

function texts({ messages }: HistorySlice): string[] {
  return messages.map(({ offset, payload }) => `${offset} ${new TextDecoder().decode(payload)}`)
}

function live(heard: BusRecorder): string[] {
  return heard.messages.map(({ payload }) => {
    const placed = readHistoryEnvelope(payload)
    if (placed === null) return 'no envelope'
    const { epoch, offset } = placed.position
    return `${epoch} ${offset} ${new TextDecoder().decode(placed.payload)}`
  })
}
