/**
 * Members by name of the group. A group exists while it has members; the common group of one costs no more than its
 * entry.
 */
export class Groups<Member extends object> {
  readonly #groups = new Map<string, Member | Set<Member>>()

  /** Groups that have members. */
  get size(): number {
    return this.#groups.size
  }

  names(): IterableIterator<string> {
    return this.#groups.keys()
  }

  /** Whether it is the first. It must not be a member already. */
  add(name: string, member: Member): boolean {
    const group = this.#groups.get(name)
    if (group === undefined) {
      this.#groups.set(name, member)
      return true
    }
    if (group instanceof Set) group.add(member)
    else this.#groups.set(name, new Set([group, member]))
    return false
  }

  /** Whether it was the last. It must be a member. */
  remove(name: string, member: Member): boolean {
    const group = this.#groups.get(name)
    if (group instanceof Set) {
      group.delete(member)
      if (group.size > 0) return false
    }
    this.#groups.delete(name)
    return true
  }

  count(name: string): number {
    const group = this.#groups.get(name)
    if (group === undefined) return 0
    return group instanceof Set ? group.size : 1
  }

  /** The members; not to be changed while it is walked over, unless it is copied before. */
  of(name: string): Iterable<Member> {
    const group = this.#groups.get(name)
    if (group === undefined) return []
    return group instanceof Set ? group : [group]
  }
}
