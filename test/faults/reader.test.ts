import { describe, expect, test } from 'vitest'
import type { Sent } from './support/lines.ts'
import { Reader } from './support/reader.ts'

const position = (offset: number, epoch = 'e') => ({ epoch, offset })
const joined = (offset: number | null, complete = true, epoch = 'e') => ({
  joined: true,
  recovered: 0,
  position: offset === null ? null : position(offset, epoch),
  complete,
})

/** A message of node `a`, with whatever is told of it. */
function sent(seq: number, more: Partial<Sent> = {}): Sent {
  return { room: 'room', node: 'a', seq, sender: 's', n: seq, ...more }
}

/** A client that is in the room, at offset 5. */
function follower(): Reader {
  const reader = new Reader()
  reader.joins('room')
  reader.joined('room', joined(5))
  return reader
}

/** Follows offsets, which are the numbers of their sender as well. */
function follow(reader: Reader, offsets: readonly number[], epoch = 'e'): void {
  for (const offset of offsets) {
    reader.placed(sent(offset, { node: epoch, sender: epoch }), position(offset, epoch))
  }
}

/** The same client, come back. */
function comeBack(reader: Reader): void {
  reader.connected()
  reader.joins('room')
}

describe('a client of a room without history', () => {
  test('may miss messages', () => {
    const reader = new Reader()
    for (const seq of [1, 2, 5, 9]) reader.plain(sent(seq))
    reader.plain(sent(1, { node: 'b', sender: 't' }))
    expect(reader.faults).toEqual([])
    expect(reader.counts).toEqual({ received: 5, placed: 0, told: 0 })
  })

  test('gets none twice', () => {
    const reader = new Reader()
    for (const seq of [1, 2, 1]) reader.plain(sent(seq))
    expect(reader.faults).toEqual(['room: 1 of node a came twice', 'room: 1 of sender s came twice'])
  })

  test('gets those of one node in order', () => {
    const reader = new Reader()
    for (const [index, seq] of [1, 3, 2].entries()) reader.plain(sent(seq, { n: index + 1 }))
    expect(reader.faults).toEqual(['room: 2 of node a came behind 3'])
  })

  test('gets those of one sender in order', () => {
    const reader = new Reader()
    for (const [index, n] of [1, 3, 2].entries()) reader.plain(sent(index + 1, { n }))
    expect(reader.faults).toEqual(['room: 2 of sender s came behind 3'])
  })

  test('may find on its next connection what it had on the one before', () => {
    const reader = new Reader()
    reader.plain(sent(1))
    reader.connected()
    reader.plain(sent(1))
    expect(reader.faults).toEqual([])
  })
})

describe('a client of a room with history', () => {
  test('goes on where it came in', () => {
    const reader = follower()
    follow(reader, [6, 7, 8])
    expect(reader.faults).toEqual([])
    expect(reader.position('room')).toEqual(position(8))
  })

  test('misses nothing', () => {
    const reader = follower()
    follow(reader, [6, 8])
    expect(reader.faults).toEqual(['room: e:8 came behind e:6, untold'])
  })

  test('misses nothing right behind where it came in', () => {
    const reader = follower()
    follow(reader, [7])
    expect(reader.faults).toEqual(['room: e:7 came behind e:5, untold'])
  })

  test('misses nothing while its answer is on the way', () => {
    const reader = new Reader()
    reader.joins('room')
    follow(reader, [7])
    reader.joined('room', joined(5))
    expect(reader.faults).toEqual(['room: came in at e:5, and the first message was e:7'])
  })

  test('gets none twice, and in the order of the offsets', () => {
    const reader = follower()
    follow(reader, [6, 7])
    reader.placed(sent(8), position(7))
    expect(reader.faults).toEqual(['room: e:7 came behind e:7'])
    reader.placed(sent(8), position(8))
    expect(reader.faults.slice(1)).toEqual([
      'room: 8 of node a came twice',
      'room: 8 of sender s came twice',
      'room: 8 of a came twice',
    ])
  })

  test('gets those of one sender in order, through whichever nodes', () => {
    const reader = follower()
    reader.placed(sent(1, { n: 2 }), position(6))
    reader.placed(sent(1, { n: 1, node: 'b' }), position(7))
    expect(reader.faults).toEqual(['room: 1 of sender s came behind 2'])
  })

  test('gets none twice that came without a place first, on whichever connection', () => {
    const reader = follower()
    reader.placed(sent(1), null)
    comeBack(reader)
    reader.placed(sent(1), position(6))
    expect(reader.faults).toEqual(['room: 1 of a came twice'])
  })

  test('knows no new epoch that it was not told of', () => {
    const reader = follower()
    follow(reader, [1], 'f')
    expect(reader.faults).toEqual(['room: f:1 came behind e:5, untold'])
  })

  test('is told of a gap, and goes on behind it', () => {
    const reader = follower()
    reader.gap({ room: 'room', before: position(3, 'f') })
    follow(reader, [3, 4], 'f')
    expect(reader.faults).toEqual([])
    follow(reader, [6], 'f')
    expect(reader.faults).toEqual(['room: f:6 came behind f:4, untold'])
    expect(reader.counts.told).toBe(1)
    reader.gap({ room: 'room', before: position(2, 'f') })
    follow(reader, [7], 'f')
    expect(reader.faults).toHaveLength(1)
  })
})

describe('a client that comes back to a room with history', () => {
  test('gets what it missed', () => {
    const reader = follower()
    comeBack(reader)
    follow(reader, [6, 7])
    reader.joined('room', joined(7))
    follow(reader, [8])
    expect(reader.faults).toEqual([])
    expect(reader.unsettled()).toEqual([])
  })

  test('has not got it when it got less than it was told', () => {
    const reader = follower()
    comeBack(reader)
    follow(reader, [6])
    reader.joined('room', joined(7))
    expect(reader.faults).toEqual(['room: complete up to e:7, and got no further than e:6'])
  })

  test('gets no part that looks like the whole', () => {
    const reader = follower()
    comeBack(reader)
    follow(reader, [8, 9])
    reader.joined('room', joined(9))
    expect(reader.faults).toEqual(['room: e:8 came behind e:5, and the answer was that it is complete'])
  })

  test('is told that something is missing', () => {
    const reader = follower()
    comeBack(reader)
    follow(reader, [8, 9])
    expect(reader.unsettled()).toEqual(['room: e:8 came behind e:5, and nothing was said of it'])
    reader.joined('room', joined(9, false))
    follow(reader, [10])
    expect(reader.faults).toEqual([])
    expect(reader.unsettled()).toEqual([])
  })

  test('is told where it goes on when nothing of it is left', () => {
    const reader = follower()
    comeBack(reader)
    reader.joined('room', joined(2, false, 'f'))
    follow(reader, [3], 'f')
    expect(reader.faults).toEqual([])
    follow(reader, [5], 'f')
    expect(reader.faults).toHaveLength(1)
  })

  test('is told nothing but that something is missing, which explains one jump ahead', () => {
    const reader = follower()
    comeBack(reader)
    reader.joined('room', joined(null, false))
    follow(reader, [9, 10])
    expect(reader.faults).toEqual([])
    follow(reader, [12])
    expect(reader.faults).toEqual(['room: e:12 came behind e:10, untold'])
  })

  test('is told nothing but that something is missing, which explains nothing behind the next message', () => {
    const reader = follower()
    comeBack(reader)
    reader.joined('room', joined(null, false))
    follow(reader, [6])
    expect(reader.faults).toEqual([])
    follow(reader, [20])
    expect(reader.faults).toEqual(['room: e:20 came behind e:6, untold'])
    follow(reader, [1], 'f')
    expect(reader.faults.slice(1)).toEqual(['room: f:1 came behind e:20, untold'])
  })

  test('is told nothing but that something is missing, which explains nothing when it had the next message', () => {
    const reader = follower()
    comeBack(reader)
    follow(reader, [6])
    reader.joined('room', joined(null, false))
    follow(reader, [20])
    expect(reader.faults).toEqual(['room: e:20 came behind e:6, untold'])
  })

  test('gets nothing again even then', () => {
    const reader = follower()
    follow(reader, [6, 7])
    comeBack(reader)
    reader.joined('room', joined(null, false))
    follow(reader, [7])
    expect(reader.faults).toContain('room: e:7 came behind e:7')
  })

  test('is answered', () => {
    const reader = follower()
    comeBack(reader)
    expect(reader.unsettled()).toEqual(['room: no answer to the join'])
    reader.joined('room', joined(5))
    expect(reader.unsettled()).toEqual([])
  })

  test('knows that it does not know when its connection ends before the answer', () => {
    const reader = follower()
    comeBack(reader)
    follow(reader, [8])
    comeBack(reader)
    follow(reader, [9])
    reader.joined('room', joined(9))
    expect(reader.faults).toEqual([])
    expect(reader.counts.told).toBe(1)
  })
})
