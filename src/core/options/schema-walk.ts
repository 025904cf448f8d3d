import type { z } from 'zod'

type Schema = z.core.$ZodType
type Path = readonly PropertyKey[]

/**
 * Looks a place up in a schema, so that a message can say what is allowed there. Wrappers (optional, default,
 * transform) are looked through; where a union offers several shapes, the one that fits the value best counts.
 */
export function schemaAt(root: Schema, path: Path, value: unknown): Schema | undefined {
  let schema: Schema | undefined = root
  let here = value
  for (const key of path) {
    schema = schema && child(schema, key, here)
    here = valueAt(here, [key])
  }
  return schema && unwrap(schema)
}

/** The keys that the best fitting shape at this place knows; empty when it is not an object. */
export function allowedKeys(root: Schema, path: Path, value: unknown): string[] {
  const schema = schemaAt(root, path, value)
  const shape = schema && bestShape(schema, valueAt(value, path))
  return shape ? Object.keys(shape) : []
}

/** The shapes a union offers, in the order of its errors; a single schema counts as one. */
export function branches(schema: Schema): readonly Schema[] {
  const { def } = unwrap(schema)._zod as z.core.$ZodTypes['_zod']
  return def.type === 'union' ? def.options : [schema]
}

/** What stands at a path of a value; undefined when there is nothing. Inherited properties do not count. */
export function valueAt(value: unknown, path: Path): unknown {
  let here = value
  for (const key of path) {
    if (typeof here !== 'object' || here === null || !Object.hasOwn(here, key)) return undefined
    here = (here as Record<PropertyKey, unknown>)[key]
  }
  return here
}

function child(schema: Schema, key: PropertyKey, value: unknown): Schema | undefined {
  const inner = unwrap(schema)
  const { def } = inner._zod as z.core.$ZodTypes['_zod']
  if (def.type === 'array') return def.element
  if (def.type === 'record') return def.valueType
  return bestShape(inner, value)?.[String(key)]
}

function bestShape(schema: Schema, value: unknown): Readonly<Record<string, Schema>> | undefined {
  const present = typeof value === 'object' && value !== null ? Object.keys(value) : []
  let best: Readonly<Record<string, Schema>> | undefined
  let most = -1
  for (const branch of branches(schema)) {
    const { def } = unwrap(branch)._zod as z.core.$ZodTypes['_zod']
    if (def.type !== 'object') continue
    const shared = present.filter((key) => Object.hasOwn(def.shape, key)).length
    if (shared > most) {
      best = def.shape
      most = shared
    }
  }
  return best
}

function unwrap(schema: Schema): Schema {
  let here = schema
  for (;;) {
    const { def } = here._zod as z.core.$ZodTypes['_zod']
    if (def.type === 'pipe') here = def.in
    else if (def.type === 'lazy') here = def.getter()
    else if ('innerType' in def) here = def.innerType as Schema
    else return here
  }
}
