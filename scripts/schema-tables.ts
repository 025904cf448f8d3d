import type { JsonSchema } from '../src/config/json-schema.ts'

/** Tables of the fields of a schema, for reference pages. */

/**
 * One section for a map and, below it, one for each map inside it.
 * @param told the path under which each map has its section already, by the map
 */
export function sections(schema: JsonSchema, path = '', told = new Map<string, string>()): string[] {
  const title = path === '' ? '## Top level' : `## \`${path}\``
  const about = schema.description === undefined ? [] : [schema.description]
  const shapes = shapesOf(schema)
  const tables = shapes.map((shape) => table(shape, path, told))
  const own = [title, ...about, tables.join('\n\nor\n\n')].join('\n\n')
  const inner = shapes.flatMap((shape) =>
    Object.entries(shape.properties ?? {}).flatMap(([name, field]) => {
      const [inside, suffix] = mapInside(field)
      if (inside === undefined) return []
      // A list or map is described by its field; the section is about one entry.
      const described = suffix === '' ? inside : withoutDescription(inside)
      const here = `${path === '' ? '' : `${path}.`}${name}${suffix}`
      const first = told.get(shapesText(inside)) ?? here
      told.set(shapesText(inside), first)
      return first === here ? sections(described, here, told) : []
    }),
  )
  return [own, ...inner]
}

function withoutDescription({ description: _, ...schema }: JsonSchema): JsonSchema {
  return schema
}

/** Equal for fields that take the same maps. */
function shapesText(schema: JsonSchema): string {
  return JSON.stringify(shapesOf(schema))
}

/** The maps a value may be: itself, or those of its alternatives. */
function shapesOf(schema: JsonSchema): JsonSchema[] {
  return (schema.anyOf ?? [schema]).filter(({ properties }) => properties !== undefined)
}

/** The map a field holds, and how its path goes on; nothing when it holds none worth a section. */
function mapInside(field: JsonSchema): [JsonSchema | undefined, string] {
  const { items, additionalProperties } = field
  if (items !== undefined && shapesOf(items).length > 0) return [items, '[]']
  if (additionalProperties && shapesOf(additionalProperties).length > 0)
    return [additionalProperties, '.<name>']
  // Maps that say all by their key, such as `{ exact }` or `{ env }`, need no section.
  const keys = shapesOf(field).map(({ properties }) => Object.values(properties ?? {}))
  const speaking = keys.some((inner) => inner.length > 1 || inner.some((one) => shapesOf(one).length > 0))
  const needed = field.properties !== undefined || speaking
  return needed ? [field, ''] : [undefined, '']
}

function table(schema: JsonSchema, path: string, told: ReadonlyMap<string, string>): string {
  const rows = Object.entries(schema.properties ?? {}).map(([name, field]) => {
    const required = schema.required?.includes(name) === true
    const meaning = (field.description ?? '').replaceAll('|', '\\|')
    return [`\`${name}\``, typeOf(field, name, path, told), defaultOf(field, required), meaning]
  })
  const all = [['Field', 'Type', 'Default', 'Meaning'], ...rows]
  const widths = [0, 1, 2, 3].map((column) => Math.max(...all.map((row) => (row[column] as string).length)))
  const lines = all.map((row) => tableRow(row.map((cell, column) => cell.padEnd(widths[column] as number))))
  return [lines[0], tableRow(widths.map((width) => '-'.repeat(width))), ...lines.slice(1)].join('\n')
}

function tableRow(cells: readonly string[]): string {
  return `| ${cells.join(' | ')} |`
}

function defaultOf(field: JsonSchema, required: boolean): string {
  if (required) return '_required_'
  const { default: fallback } = field
  // The fields of a map have defaults of their own.
  if (fallback === undefined || (JSON.stringify(fallback) === '{}' && shapesOf(field).length > 0)) return ''
  if (JSON.stringify(fallback) === '[]' || JSON.stringify(fallback) === '{}') return '_empty_'
  return `\`${typeof fallback === 'string' ? fallback : JSON.stringify(fallback)}\``
}

function typeOf(field: JsonSchema, name: string, path: string, told: ReadonlyMap<string, string>): string {
  const [inside, suffix] = mapInside(field)
  const own = `${path === '' ? '' : `${path}.`}${name}`
  const here = (suffix === '' && inside && told.get(shapesText(inside))) || own
  const plain = field.items?.anyOf?.filter(({ properties }) => properties === undefined) ?? []
  const alternatives = plain.length > 0 && inside ? `text or ` : ''
  if (inside !== undefined && suffix === '[]') return `list of ${alternatives}${link(`${here}[]`)}`
  if (inside !== undefined && suffix === '') {
    const plainTypes = field.anyOf?.filter(({ properties }) => properties === undefined).map(simpleType) ?? []
    return [...plainTypes, link(here)].join(' or ')
  }
  if (inside !== undefined) return `map of ${link(`${here}.<name>`)}`
  if (field.items !== undefined) return `list of ${simpleType(field.items)}`
  return simpleType(field)
}

function simpleType(schema: JsonSchema): string {
  if (schema.anyOf !== undefined) return [...new Set(schema.anyOf.map(simpleType))].join(' or ')
  if (schema.const !== undefined) return `\`${schema.const}\``
  if (schema.enum !== undefined) return schema.enum.map((value) => `\`${value}\``).join(', ')
  if (schema.properties !== undefined) return `\`{ ${Object.keys(schema.properties).join(', ')} }\``
  if (schema.items !== undefined) return `list of ${simpleType(schema.items)}`
  if (schema.additionalProperties) return `map of ${simpleType(schema.additionalProperties)}`
  if (schema.type === 'boolean') return '`true` or `false`'
  if (schema.type === 'integer') return `whole number, ${schema.minimum} to ${schema.maximum}`
  if (schema.format !== undefined) return formats[schema.format] ?? schema.format
  if (schema.pattern?.includes('(ms|s|m|h|d)')) return 'duration'
  if (schema.pattern?.includes('(B|KiB|MiB|GiB)')) return 'size'
  return schema.type === 'string' ? 'text' : (schema.type ?? 'anything')
}

const formats: Readonly<Record<string, string>> = {
  ipv4: 'IP address',
  ipv6: 'IP address',
  cidrv4: 'CIDR block',
  cidrv6: 'CIDR block',
}

/** To the section of a path, by the anchor that GitHub gives its heading. */
function link(path: string): string {
  return `[\`${path}\`](#${path.toLowerCase().replace(/[^\w -]/g, '')})`
}
