/**
 * `npm run docs`: writes the pages that are made from schemas. `src/config/reference.test.ts` and
 * `test/hub/reference.test.ts` hold them current.
 */
import { writeFileSync } from 'node:fs'
import { configJsonSchema } from '../src/config/json-schema.ts'
import { configReference } from './config-reference.ts'
import { hubReference } from './hub-reference.ts'

const folder = new URL('../docs/reference/', import.meta.url)
writeFileSync(new URL('config.md', folder), configReference())
writeFileSync(new URL('config.schema.json', folder), `${JSON.stringify(configJsonSchema(), null, 2)}\n`)
writeFileSync(new URL('hub-options.md', folder), hubReference())
