/**
 * Whether a name fits a pattern, in which each `*` stands for any text, also none. Names come from clients: unlike a
 * regular expression it takes steps of the order of both lengths multiplied, at most.
 */
export function fitsPattern(pattern: string, name: string): boolean {
  let at = 0
  let next = 0
  /** Behind the last star, and where the text that it stands for ends at the earliest. */
  let behindStar = -1
  let starEnds = 0
  while (at < name.length) {
    if (pattern[next] === '*') {
      behindStar = ++next
      starEnds = at
    } else if (pattern[next] === name[at]) {
      next++
      at++
    } else if (behindStar !== -1) {
      // The last star takes one more; what the earlier ones took was the least already.
      next = behindStar
      at = ++starEnds
    } else {
      return false
    }
  }
  while (pattern[next] === '*') next++
  return next === pattern.length
}
