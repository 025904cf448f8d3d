import { fieldName, mark, repeatedShift } from './field-names.ts'

/** The header (or trailer) fields of one message, in order, repeated names included. */
export class Fields {
  /** Names as received. */
  readonly names: string[] = []
  /** Names in lower case. */
  readonly keys: string[] = []
  /** Values without surrounding whitespace, one character per byte. */
  readonly values: string[] = []
  /** The marks of each name (`field-names.ts`). */
  readonly marksOf: number[] = []
  /** All marks together; shifted by `repeatedShift` where a marked name repeats. */
  marks = 0

  get length(): number {
    return this.names.length
  }

  /** The first value of a field, by its lower-case name. */
  get(key: string): string | undefined {
    const index = this.keys.indexOf(key)
    return index === -1 ? undefined : this.values[index]
  }

  /** All values of a field, by its lower-case name, in order. */
  all(key: string): string[] {
    const found: string[] = []
    for (let i = 0; i < this.keys.length; i++) if (this.keys[i] === key) found.push(this.values[i] as string)
    return found
  }

  /** Whether a field is there, by its lower-case name. */
  has(key: string): boolean {
    return this.keys.includes(key)
  }

  /**
   * Appends a field. Nothing is checked: the parsers add what they have checked, everybody else adds constants
   * or values that passed `isFieldValue`.
   */
  add(name: string, value: string): void {
    const known = fieldName(name)
    const marks = known.marks & ~mark.hop
    if ((this.marks & marks) !== 0) this.marks |= marks << repeatedShift
    this.marks |= known.marks
    this.names.push(known.name)
    this.keys.push(known.key)
    this.values.push(value)
    this.marksOf.push(known.marks)
  }

  /** Removes all fields of a lower-case name. */
  remove(key: string): void {
    const kept = new Fields()
    for (let i = 0; i < this.length; i++) {
      if (this.keys[i] !== key) kept.add(this.names[i] as string, this.values[i] as string)
    }
    this.names.length = this.keys.length = this.values.length = this.marksOf.length = 0
    this.marks = 0
    for (let i = 0; i < kept.length; i++) this.add(kept.names[i] as string, kept.values[i] as string)
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
