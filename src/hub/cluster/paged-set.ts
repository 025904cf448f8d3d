/** A page of a listing. */
export interface Page<T> {
  readonly items: readonly T[]
  /** Where the next page begins; null after the last. */
  readonly next: number | null
}

/**
 * Texts in the order in which they came, to be listed in pages while others come and go: who is there from the first
 * page to the last is in exactly one of them. `add`, `delete` and `size` are O(1), a page costs O(log n + its length)
 * (amortised: places of those who went are skipped, and closed when they are as many as those who are there).
 */
export class PagedSet {
  /** Null where somebody went. */
  #items: (string | null)[] = []
  /** Number of each place, ascending; given once, so that cursors survive. */
  #numbers: number[] = []
  readonly #places = new Map<string, number>()
  #nextNumber = 1

  get size(): number {
    return this.#places.size
  }

  has(item: string): boolean {
    return this.#places.has(item)
  }

  add(item: string): void {
    if (this.#places.has(item)) return
    this.#places.set(item, this.#items.length)
    this.#items.push(item)
    this.#numbers.push(this.#nextNumber++)
  }

  delete(item: string): void {
    const place = this.#places.get(item)
    if (place === undefined) return
    this.#places.delete(item)
    this.#items[place] = null
    if (this.#items.length > 32 && this.#items.length > 2 * this.#places.size) this.#close()
  }

  /** @param cursor `next` of the page before; 0 for the first */
  page(cursor: number, limit: number): Page<string> {
    const items: string[] = []
    for (let place = this.#placeOf(cursor); place < this.#items.length; place++) {
      const item = this.#items[place] as string | null
      if (item === null) continue
      if (items.length === limit) return { items, next: this.#numbers[place] as number }
      items.push(item)
    }
    return { items, next: null }
  }

  /** The first place whose number is not below `number`. */
  #placeOf(number: number): number {
    let [low, high] = [0, this.#numbers.length]
    while (low < high) {
      const middle = (low + high) >>> 1
      if ((this.#numbers[middle] as number) < number) low = middle + 1
      else high = middle
    }
    return low
  }

  #close(): void {
    const items: string[] = []
    const numbers: number[] = []
    for (const [place, item] of this.#items.entries()) {
      if (item === null) continue
      this.#places.set(item, items.length)
      items.push(item)
      numbers.push(this.#numbers[place] as number)
    }
    this.#items = items
    this.#numbers = numbers
  }
}
