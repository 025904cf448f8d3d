import { type FieldName, fieldName, mark, repeatedShift } from './field-names.ts'

/** The header (or trailer) fields of one message, in order, repeated names included. */
export class Fields {
  /** The name of each field and what the codec knows about it. */
  readonly entries: FieldName[] = []
  /** The value of each field without surrounding whitespace, one character per byte. */
  readonly values: string[] = []
  /** The marks of all names together (`field-names.ts`); shifted by `repeatedShift` where a name repeats. */
  marks = 0

  get length(): number {
    return this.entries.length
  }

  /** The names as received; a new array. */
  get names(): string[] {
    return this.entries.map((entry) => entry.name)
  }

  /** The names in lower case; a new array. */
  get keys(): string[] {
    return this.entries.map((entry) => entry.key)
  }

  /** The first value of a field, by its lower-case name. */
  get(key: string): string | undefined {
    const index = this.indexOf(key)
    return index === -1 ? undefined : this.values[index]
  }

  /** All values of a field, by its lower-case name, in order. */
  all(key: string): string[] {
    const found: string[] = []
    for (let at = this.indexOf(key); at !== -1; at = this.indexOf(key, at + 1))
      found.push(this.values[at] as string)
    return found
  }

  /** The whole value of a field, repeated ones joined (RFC 9110 §5.3), by its lower-case name. */
  whole(key: string): string | undefined {
    const first = this.indexOf(key)
    if (first === -1 || this.indexOf(key, first + 1) === -1) return this.values[first]
    return this.all(key).join(', ')
  }

  /** Whether a field is there, by its lower-case name. */
  has(key: string): boolean {
    return this.indexOf(key) !== -1
  }

  /** The index of the first field of a lower-case name at or behind an index, -1 if there is none. */
  indexOf(key: string, from = 0): number {
    const entries = this.entries
    for (let i = from; i < entries.length; i++) if ((entries[i] as FieldName).key === key) return i
    return -1
  }

  /**
   * Appends a field. Nothing is checked: the name MUST be a token, and the value a constant or one that passed
   * `isFieldValue`.
   */
  add(name: string, value: string): void {
    this.append(fieldName(name), value)
  }

  /** Appends a field whose name was looked up. */
  append(entry: FieldName, value: string): void {
    const marks = entry.marks
    // `hop` is shared by many names, so it never says that one repeats.
    if (marks !== 0) this.marks |= marks | ((this.marks & marks & ~mark.hop) << repeatedShift)
    this.entries.push(entry)
    this.values.push(value)
  }

  /** Removes all fields of a lower-case name. */
  remove(key: string): void {
    const entries = this.entries.splice(0)
    const values = this.values.splice(0)
    this.marks = 0
    for (const [i, entry] of entries.entries()) if (entry.key !== key) this.append(entry, values[i] as string)
  }
}

/**
 * Whether a comma-separated list (RFC 9110 §5.6.1) has a member that equals a lower-case token. Members are
 * compared whole and case-insensitively; a quoted string is never equal to a token.
 */
export function listContains(value: string, token: string): boolean {
  if (value.length === token.length) return value.toLowerCase() === token
  if (value.length < token.length || !value.includes(',')) return false
  return listMembers(value).includes(token)
}

/** The members of a comma-separated list of tokens, lower case, without the empty ones. */
export function listMembers(value: string): string[] {
  const members: string[] = []
  for (const part of value.split(',')) {
    const member = trimWhitespace(part)
    if (member !== '') members.push(member.toLowerCase())
  }
  return members
}

/** Without spaces and tabs at both ends; unlike `trim` it leaves every other character alone. */
export function trimWhitespace(text: string): string {
  let start = 0
  let end = text.length
  while (start < end && isBlank(text.charCodeAt(start))) start++
  while (end > start && isBlank(text.charCodeAt(end - 1))) end--
  return text.substring(start, end)
}

function isBlank(code: number): boolean {
  return code === 0x20 || code === 0x09
}

/** Whether a text may be sent as a field value: no control characters, nothing beyond one byte. */
export function isFieldValue(text: string): boolean {
  return /^[\t\x20-\x7e\x80-\xff]*$/.test(text)
}
