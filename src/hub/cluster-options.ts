import { z } from 'zod'
import { duration } from '../core/options/option-values.ts'
import type { ClusterDriver, LeaseTimes, Position } from './cluster.ts'
import type { Data } from './local.ts'

/** Options of a hub that say how it acts as one with others, and what its rooms remember. */

/**
 * What is sent to clients of a room with history instead of the message alone, such as the message with its position,
 * so that a client can come back with it. Called once for each message on each node.
 * @param position null when the message could not be kept, because the broker is away
 */
export type Stamp = (data: Data, position: Position | null, room: string) => Data

const isFunction = (value: unknown): boolean => typeof value === 'function'

const history = z.strictObject({
  size: z.int().min(1).max(100_000).default(100).meta({ description: 'Messages that are kept.' }),
  age: duration('5m', 'How long a message is kept.'),
  stamp: z.custom<Stamp>(isFunction, 'expected a function').optional().meta({
    description: 'What clients are sent: `(data, position, room) => data`. Without it: the message as it is.',
    type: 'function',
  }),
})

const room = z.strictObject({
  presence: z.boolean().default(false).meta({ description: 'Whether the cluster knows who is in it.' }),
  history: z
    .union([history, z.literal(false)])
    .default(false)
    .meta({ description: 'What is kept of it for those who come back. `false`, or without it: nothing.' }),
})

const leaseTimes = z
  .strictObject({
    beat: duration('3s', 'Time between two signs of life of a node.'),
    suspect: duration('7s', 'Silent for so long, a node is asked no more.'),
    dead: duration('15s', 'Silent for so long, a node and everybody at it are gone.'),
  })
  .refine(({ beat, suspect, dead }) => beat < suspect && suspect < dead, {
    error: ({ input }) => {
      const { beat, suspect, dead } = input as LeaseTimes
      return `expected beat < suspect < dead, because one lost beat is no death, not ${beat / 1000} s, ${suspect / 1000} s and ${dead / 1000} s`
    },
  })

export const clusterOptions = {
  cluster: z
    .custom<ClusterDriver>(
      (value) =>
        typeof value === 'object' &&
        value !== null &&
        'connect' in value &&
        isFunction(value.connect) &&
        'name' in value,
      "expected a driver, such as redis('redis://127.0.0.1:6379') of fairlead/redis",
    )
    .optional()
    .meta({
      description: 'What hubs act as one through, such as `redis(url)`. Without it: this one is alone.',
      type: 'driver',
    }),
  namespace: z
    .string()
    .regex(/^[A-Za-z0-9_-]{1,64}$/, "expected 1 to 64 letters, digits, '_' or '-'")
    .default('fairlead')
    .meta({ description: 'Hubs with the same one, through the same broker, act as one.' }),
  address: z.string().min(1).max(256).optional().meta({
    description: 'Where a balancer reaches this node; told to the others.',
  }),
  lease: leaseTimes
    .prefault({})
    .meta({ description: 'When a node that is silent is suspected, and when dead.' }),
  questionTimeout: duration(
    '5s',
    'How long other nodes may take to answer, and the history that a connection waits for.',
  ),
  presenceGrace: duration('5s', 'How long who has gone is still there, so that a reconnect shows nothing.'),
  userPresence: z
    .boolean()
    .default(false)
    .meta({ description: 'Whether the cluster knows which users are connected.' }),
  maxRecovered: z
    .int()
    .min(1)
    .max(100_000)
    .default(500)
    .meta({ description: 'Messages that are sent to one who comes back to a room with history.' }),
  rooms: z.record(z.string().min(1).max(128), room).default({}).meta({
    description:
      'Rooms that are more than a list of members, by name or pattern (`chat-*`). A name goes before patterns, and an earlier pattern before a later one.',
  }),
}

/** What a room is, checked and with every default. */
export type RoomConfig = z.output<typeof room>
