import { expect, test } from 'vitest'
import { HubCore } from './hub-core.ts'
import { LiveConnection } from './live-connection.ts'
import type { ClusterHalf } from './local.ts'
import { consoleLog } from './log.ts'
import { hubOptions } from './options.ts'

const idle = { queuedBytes: 0, send: () => true, ping() {}, pause() {}, resume() {}, close() {} }

function start() {
  const core = new HubCore(hubOptions.parse({ rooms: { 'p-*': { presence: true } } }), 'n1', consoleLog)
  const told: string[] = []
  core.roster.cluster = {
    roomOccupied() {},
    roomEmptied() {},
    userArrived() {},
    userLeft() {},
    present: (room: string, user: string, devices: number) => void told.push(`${room} ${user} ${devices}`),
  } as unknown as ClusterHalf
  let last = 0
  const open = (user: string | null) => {
    const identity = { id: `n1.${++last}`, user, data: undefined, remoteAddress: '', protocol: null }
    const connection = new LiveConnection(core, identity)
    connection.opened({ ...idle, terminate() {} })
    return connection
  }
  return { roster: core.roster, told, open }
}

test('presence counts the devices of a user in a room', () => {
  const { told, open } = start()
  const [one, two, other, nobody] = [open('ann'), open('ann'), open('bob'), open(null)]
  one.join('p-1')
  two.join('p-1')
  two.join('p-2')
  two.join('plain')
  other.join('p-1')
  nobody.join('p-1')
  expect(told.splice(0)).toEqual(['p-1 ann 1', 'p-1 ann 2', 'p-2 ann 1', 'p-1 bob 1', `p-1 ${nobody.id} 1`])
  one.leave('p-1')
  two.close()
  nobody.terminate()
  expect(told.splice(0)).toEqual(['p-1 ann 1', 'p-1 ann 0', 'p-2 ann 0', `p-1 ${nobody.id} 0`])
  one.join('p-1')
  expect(told).toEqual(['p-1 ann 1'])
})

test('many connections of one user come into a room in no time', () => {
  const { told, open } = start()
  const before = performance.now()
  for (let at = 0; at < 40_000; at++) open('guest').join('p-1')
  expect(told.at(-1)).toBe('p-1 guest 40000')
  // Each looking at all the others would be 800 million steps.
  expect(performance.now() - before).toBeLessThan(4000)
})

test('who is being closed is addressed no more, and still there', () => {
  const { roster, open } = start()
  const connection = open('ann')
  open('bob')
  const { id } = connection
  expect([roster.count({ kind: 'everybody' }), roster.count({ kind: 'connection', id })]).toEqual([2, 1])
  connection.close()
  expect([roster.count({ kind: 'everybody' }), roster.count({ kind: 'connection', id })]).toEqual([1, 0])
  expect([...roster.connections()]).not.toContain(connection)
  expect(roster.size).toBe(2)
  connection.closed(1000, '')
  expect(roster.size).toBe(1)
})
