/**
 * The candidate that was most likely meant by a mistyped word: one edit away for up to 4 letters, two for up
 * to 8, three beyond; letter case counts for nothing. Undefined when none is that close.
 */
export function nearestWord(word: string, candidates: readonly string[]): string | undefined {
  // Nobody mistypes a name of this length, and the comparison below is quadratic.
  if (word.length > 64) return undefined
  const most = word.length <= 4 ? 1 : word.length <= 8 ? 2 : 3
  let best: string | undefined
  let least = most + 1
  for (const candidate of candidates) {
    if (Math.abs(candidate.length - word.length) >= least) continue
    const distance = editDistance(word.toLowerCase(), candidate.toLowerCase())
    if (distance >= least) continue
    best = candidate
    least = distance
  }
  return best
}

/** Insertions, removals, replacements and swaps of neighbours (optimal string alignment). */
function editDistance(a: string, b: string): number {
  let older: number[] = []
  let previous = Array.from({ length: b.length + 1 }, (_, index) => index)
  for (let i = 1; i <= a.length; i++) {
    const row = [i]
    for (let j = 1; j <= b.length; j++) {
      const same = a[i - 1] === b[j - 1]
      let cost = Math.min(
        (previous[j] as number) + 1,
        (row[j - 1] as number) + 1,
        (previous[j - 1] as number) + (same ? 0 : 1),
      )
      const swapped = i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]
      if (swapped) cost = Math.min(cost, (older[j - 2] as number) + 1)
      row.push(cost)
    }
    older = previous
    previous = row
  }
  return previous[b.length] as number
}
