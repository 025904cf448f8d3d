import { z } from 'zod'
import { parseDuration, parseSize } from '../core/units.ts'
import { gatewayOptions } from '../gateway/options.ts'

/** A JSON Schema, as far as ours need it. */
export interface JsonSchema {
  $schema?: string
  title?: string
  description?: string
  type?: string
  default?: unknown
  examples?: unknown[]
  enum?: unknown[]
  const?: unknown
  format?: string
  pattern?: string
  minimum?: number
  maximum?: number
  minItems?: number
  items?: JsonSchema
  anyOf?: JsonSchema[]
  properties?: Record<string, JsonSchema>
  propertyNames?: JsonSchema
  additionalProperties?: JsonSchema | false
  required?: string[]
}

/**
 * The JSON Schema of config files, for completion and checks in editors. Draft 7, which every editor's YAML
 * and JSON support reads. It knows the shape; references such as a route's pool are checked by the gateway.
 */
export function configJsonSchema(): JsonSchema {
  const schema = z.toJSONSchema(gatewayOptions, {
    io: 'input',
    target: 'draft-7',
    override: sayQuantity,
  }) as JsonSchema
  return { ...schema, title: 'Fairlead gateway' }
}

/** Quantities are text with a unit: the default or the example tells which kind. */
export function sayQuantity({ jsonSchema }: { jsonSchema: z.core.JSONSchema.BaseSchema }): void {
  const { type, default: fallback = jsonSchema.examples?.[0] } = jsonSchema
  if (type !== 'string' || typeof fallback !== 'string') return
  if (parseDuration(fallback) !== undefined) jsonSchema.pattern = '^\\d+(\\.\\d+)?(ms|s|m|h|d)$'
  if (parseSize(fallback) !== undefined) jsonSchema.pattern = '^\\d+(\\.\\d+)?(B|KiB|MiB|GiB)$'
}
