/**
 * A binary heap of small indices, each at most once, with the least key first; equal keys are ordered by index.
 * All memory is taken at construction.
 */
export class IndexHeap {
  readonly #heap: Int32Array
  readonly #key: Float64Array
  #size = 0

  /** For indices from 0 to below `capacity`. */
  constructor(capacity: number) {
    this.#heap = new Int32Array(capacity)
    this.#key = new Float64Array(capacity)
  }

  get size(): number {
    return this.#size
  }

  /** The index with the least key. The heap must not be empty, as for `firstKey`, `shift` and `rekeyFirst`. */
  get first(): number {
    return this.#heap[0] as number
  }

  get firstKey(): number {
    return this.#key[this.#heap[0] as number] as number
  }

  /** O(1) for a key that is not below any other. */
  push(index: number, key: number): void {
    const heap = this.#heap
    this.#key[index] = key
    let at = this.#size++
    while (at > 0) {
      const parent = (at - 1) >> 1
      const other = heap[parent] as number
      if (!this.#before(index, other)) break
      heap[at] = other
      at = parent
    }
    heap[at] = index
  }

  /** Removes the first. */
  shift(): void {
    const last = this.#heap[--this.#size] as number
    if (this.#size > 0) this.#sink(last)
  }

  /** Gives the first another key, not below its own. */
  rekeyFirst(key: number): void {
    const index = this.#heap[0] as number
    this.#key[index] = key
    this.#sink(index)
  }

  /** Puts `index` where it belongs, beginning at the top. */
  #sink(index: number): void {
    const heap = this.#heap
    const size = this.#size
    let at = 0
    for (;;) {
      let child = 2 * at + 1
      if (child >= size) break
      if (child + 1 < size && this.#before(heap[child + 1] as number, heap[child] as number)) child++
      const other = heap[child] as number
      if (!this.#before(other, index)) break
      heap[at] = other
      at = child
    }
    heap[at] = index
  }

  #before(a: number, b: number): boolean {
    const difference = (this.#key[a] as number) - (this.#key[b] as number)
    return difference < 0 || (difference === 0 && a < b)
  }
}
