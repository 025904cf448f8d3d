import { unavailable } from '../../hub/cluster-error.ts'
import { RedisConnection } from './redis-connection.ts'
import type { RedisAddress, RedisPlace } from './redis-options.ts'
import { slotCount } from './redis-slots.ts'

/** Which masters there are, and which one has which slot. */
export interface RedisLayout {
  readonly masters: readonly RedisAddress[]
  /** Index into `masters` by slot; null when one has all. */
  readonly slots: Uint16Array | null
}

/** @throws FairleadError CLUSTER_UNAVAILABLE when nobody tells */
export async function findLayout(place: RedisPlace): Promise<RedisLayout> {
  if (place.kind === 'server') return { masters: place.addresses, slots: null }
  let last: unknown
  for (const address of shuffled(place.addresses)) {
    const isSentinel = place.kind === 'sentinel'
    try {
      const connection = await RedisConnection.open(place, place.mapAddress(address), () => {}, isSentinel)
      try {
        return isSentinel ? await askSentinel(place, connection) : await askCluster(place, connection)
      } finally {
        connection.close()
      }
    } catch (error) {
      last = error
    }
  }
  throw unavailable(`no ${place.kind === 'sentinel' ? 'sentinel' : 'server of the cluster'} answers`, last)
}

export function sameLayout(one: RedisLayout, other: RedisLayout): boolean {
  const text = ({ masters, slots }: RedisLayout) =>
    `${masters.map(({ host, port }) => `${host}:${port}`).join()} ${slots?.join() ?? ''}`
  return text(one) === text(other)
}

async function askSentinel(place: RedisPlace, connection: RedisConnection): Promise<RedisLayout> {
  const found = await connection.request<Buffer[] | null>([
    'SENTINEL',
    'get-master-addr-by-name',
    place.master,
  ])
  if (found === null) throw unavailable(`the sentinel knows no master ${place.master}`)
  const [host, port] = found.map(String) as [string, string]
  return { masters: [place.mapAddress({ host, port: Number(port) })], slots: null }
}

type SlotRange = [from: number, to: number, master: [host: Buffer | null, port: number]]

async function askCluster(place: RedisPlace, connection: RedisConnection): Promise<RedisLayout> {
  const ranges = await connection.request<SlotRange[]>(['CLUSTER', 'SLOTS'])
  const masters: RedisAddress[] = []
  const indexes = new Map<string, number>()
  const slots = new Uint16Array(slotCount).fill(0xffff)
  // In the order of addresses, so that the same layout looks the same whoever tells it.
  const addressed = ranges.map(([from, to, [host, port]]) => {
    // A server that does not know its own name is where it was reached.
    const name = host === null || host.length === 0 ? connection.address.host : String(host)
    return { from, to, address: place.mapAddress({ host: name, port }), key: `${name}:${port}` }
  })
  addressed.sort((one, other) => (one.key < other.key ? -1 : one.key > other.key ? 1 : one.from - other.from))
  for (const { from, to, address, key } of addressed) {
    let index = indexes.get(key)
    if (index === undefined) {
      index = masters.push(address) - 1
      indexes.set(key, index)
    }
    slots.fill(index, from, to + 1)
  }
  if (slots.includes(0xffff)) throw unavailable('the cluster does not serve all slots')
  return { masters, slots }
}

function shuffled<T>(items: readonly T[]): T[] {
  const order = items.map((item) => ({ item, by: Math.random() }))
  return order.sort((one, other) => one.by - other.by).map(({ item }) => item)
}
