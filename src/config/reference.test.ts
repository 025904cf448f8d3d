import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import { configReference } from '../../scripts/config-reference.ts'
import { parseOptions } from '../gateway/parse-options.ts'
import { configJsonSchema, type JsonSchema } from './json-schema.ts'
import { loadConfig } from './load-config.ts'
import { parseYaml } from './parse-yaml.ts'

const folder = mkdtempSync(join(tmpdir(), 'fairlead-reference-'))
afterAll(() => rmSync(folder, { recursive: true }))

// The full example takes a secret from here.
process.env.SITE_COOKIE_SECRET = 'sixteen-characters-or-more'

const page = readFileSync(new URL('../../docs/reference/config.md', import.meta.url), 'utf8')
const guides = ['getting-started', 'choosing-a-policy', 'health', 'draining', 'admission', 'discovery'].map(
  (name) => readFileSync(new URL(`../../docs/guide/${name}.md`, import.meta.url), 'utf8'),
)

/** The code blocks of a page in one language. */
function blocks(text: string, language: string): string[] {
  return [...text.matchAll(new RegExp(`^\`\`\`${language}\n([^]*?)^\`\`\``, 'gm'))].map(
    (match) => match[1] as string,
  )
}

function parse(text: string): unknown {
  const parsed = parseYaml(text)
  return 'mistakes' in parsed ? parsed.mistakes : parsed.value
}

describe('docs/reference/config.md', () => {
  test('the page is what the schema says (else run: npm run docs)', () => {
    expect(page).toBe(configReference())
  })

  test('the schema file is current (else run: npm run docs)', () => {
    const file = readFileSync(new URL('../../docs/reference/config.schema.json', import.meta.url), 'utf8')
    expect(JSON.parse(file)).toEqual(configJsonSchema())
  })

  test.each([page, ...guides].flatMap((text) => blocks(text, 'yaml')).map((text, index) => [index, text]))(
    'YAML example %i is valid',
    (_, text) => {
      expect(parseOptions(parse(text as string))).toHaveProperty('config')
    },
  )

  test('the module example is valid', async () => {
    const [text] = blocks(page, 'ts')
    const source = new URL('./define-config.ts', import.meta.url).href
    const path = join(folder, 'fairlead.config.ts')
    writeFileSync(path, (text as string).replace("'fairlead'", JSON.stringify(source)))
    expect((await loadConfig(path)).routes).toEqual([{ pool: 'chat' }])
  })

  test('the full example names every field', () => {
    const full = blocks(page, 'yaml').at(-1) as string
    for (const name of fieldNames(configJsonSchema())) expect(full).toContain(`${name}:`)
  })

  test('every field has a meaning', () => {
    expect(page).not.toMatch(/\| {2}\|$/m)
    expect(page).not.toContain('undefined')
  })
})

describe('the JSON Schema', () => {
  test('durations and sizes have patterns that take their defaults', () => {
    const { timeouts, limits } = configJsonSchema().properties as Record<string, JsonSchema>
    const quantities = [...Object.values(timeouts?.properties ?? {}), limits?.properties?.head as JsonSchema]
    for (const { pattern, default: fallback } of quantities) {
      expect(pattern).toBeDefined()
      expect(fallback).toMatch(new RegExp(pattern as string))
    }
  })
})

/** The names of all fields, at any depth. */
function fieldNames(schema: JsonSchema): string[] {
  const inner = [schema.items, schema.additionalProperties || undefined, ...(schema.anyOf ?? [])]
  return [
    ...Object.entries(schema.properties ?? {}).flatMap(([name, field]) => [name, ...fieldNames(field)]),
    ...inner.flatMap((field) => (field === undefined ? [] : fieldNames(field))),
  ]
}
