import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { afterAll, describe, expect, test } from 'vitest'
import { hubJsonSchema, hubReference } from '../../scripts/hub-reference.ts'
import type { JsonSchema } from '../../src/config/json-schema.ts'
import type { Hub } from '../../src/hub.ts'

const root = new URL('../../', import.meta.url)
const page = readFileSync(new URL('docs/reference/hub-options.md', root), 'utf8')
const [example] = [...page.matchAll(/^```ts\n([\s\S]*?)^```/gm)].map((match) => match[1] as string)

const folder = mkdtempSync(join(tmpdir(), 'fairlead-hub-reference-'))
afterAll(() => rmSync(folder, { recursive: true }))

describe('docs/reference/hub-options.md', () => {
  test('is what the schema says (else run: npm run docs)', () => {
    expect(page).toBe(hubReference())
  })

  test('has a meaning for every option', () => {
    expect(page).not.toMatch(/\| +\|$/m)
    expect(page).not.toMatch(/\b(undefined|anything)\b/)
  })

  test('ends with an example that names every option and makes a hub', async () => {
    for (const [name] of fields(hubJsonSchema())) expect(example).toContain(`${name}:`)
    const path = join(folder, 'example.ts')
    const source = (example as string)
      .replace("'fairlead/hub'", JSON.stringify(new URL('src/hub.ts', root).href))
      .replace("'fairlead/cluster'", JSON.stringify(new URL('src/cluster.ts', root).href))
    writeFileSync(path, `${source}\nexport { hub }\n`)
    const { hub } = (await import(pathToFileURL(path).href)) as { hub: Hub<unknown> }
    expect(hub.node).toBe('blue-1')
    await hub.close()
  })

  test('has the defaults in that example, where there are some', () => {
    const { rooms: _, ...properties } = hubJsonSchema().properties as Record<string, JsonSchema>
    for (const [name, { default: fallback }] of fields({ properties })) {
      if (typeof fallback === 'string') expect(example).toContain(`${name}: '${fallback}'`)
      if (typeof fallback === 'number' || typeof fallback === 'boolean')
        expect(example).toContain(`${name}: ${fallback}`)
    }
  })
})

/** All options, at any depth. */
function fields(schema: JsonSchema): [string, JsonSchema][] {
  const inner = [schema.items, schema.additionalProperties || undefined, ...(schema.anyOf ?? [])]
  return [
    ...Object.entries(schema.properties ?? {}).flatMap(([name, field]) => [
      [name, field] as [string, JsonSchema],
      ...fields(field),
    ]),
    ...inner.flatMap((field) => (field === undefined ? [] : fields(field))),
  ]
}
