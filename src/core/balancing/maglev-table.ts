import { hashText } from './hash-text.ts'

/** Prime, as the permutations demand. Up to `fewBackends`, each gets 32 places or more. */
const smallTable = 65_537
const largeTable = 655_373
const fewBackends = 2048

/**
 * The lookup table of Maglev hashing (Eisenbud et al., "Maglev: A Fast and Reliable Software Network Load
 * Balancer", NSDI 2016, §3.4): each backend fills it in its own order, in turns, so all get their weight's share
 * of the places to within one turn, but at least one, and few places change hands when a backend leaves or joins.
 *
 * @param names what the order depends on; the table is the same for the same names and weights in any order
 * @returns the index of a backend at each place; empty when nobody has a weight
 */
export function maglevTable(names: readonly string[], weights: readonly number[]): Uint16Array {
  const members = [...names.keys()].filter((index) => (weights[index] as number) > 0)
  if (members.length === 0) return new Uint16Array(0)
  members.sort((a, b) => ((names[a] as string) < (names[b] as string) ? -1 : 1))
  // Another size is another table, which moves every key: so there are only two.
  const size = members.length <= fewBackends ? smallTable : largeTable
  return fill(
    new Uint16Array(size),
    members,
    members.map((index) => names[index] as string),
    members.map((index) => weights[index] as number),
  )
}

function fill(
  table: Uint16Array,
  members: readonly number[],
  names: readonly string[],
  weights: readonly number[],
): Uint16Array {
  const size = table.length
  const taken = new Uint8Array(size)
  const place = Float64Array.from(names, (name) => hashText(name, 1) % size)
  const skip = Float64Array.from(names, (name) => (hashText(name, 2) % (size - 1)) + 1)
  const heaviest = Math.max(...weights)
  const turns = Float64Array.from(weights, (weight) => weight / heaviest)
  const credit = new Float64Array(members.length)
  let filled = 0
  for (;;) {
    for (let i = 0; i < members.length; i++) {
      const left = (credit[i] as number) + (turns[i] as number)
      // A little less than 1 makes up for rounding, for which a third and a third and a third are not one.
      credit[i] = left < 0.999999 ? left : left - 1
      if (left < 0.999999) continue
      let at = place[i] as number
      while (taken[at] === 1) at = (at + (skip[i] as number)) % size
      place[i] = at
      taken[at] = 1
      table[at] = members[i] as number
      if (++filled === size) {
        giveEachOne(table, members, place)
        return table
      }
    }
  }
}

/** Who is so light among heavy ones that it got no place takes the next of its own from somebody who has several. */
function giveEachOne(table: Uint16Array, members: readonly number[], place: Float64Array): void {
  const counts = new Int32Array(1 + members.reduce((most, index) => Math.max(most, index), 0))
  for (const index of table) counts[index] = (counts[index] as number) + 1
  for (const [i, index] of members.entries()) {
    if (counts[index] !== 0) continue
    let at = place[i] as number
    while ((counts[table[at] as number] as number) < 2) at = (at + 1) % table.length
    const giver = table[at] as number
    counts[giver] = (counts[giver] as number) - 1
    counts[index] = 1
    table[at] = index
  }
}
