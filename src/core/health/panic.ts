/**
 * Whether so few backends are left that health is ignored: the rest would be run over, and that many sick ones
 * at once more likely mean that the judge is sick.
 * @param available how many may be picked
 * @param total how many there are
 * @param threshold percent below which it is a panic; 0 is never
 */
export function inPanic(available: number, total: number, threshold: number): boolean {
  return available * 100 < threshold * total
}
