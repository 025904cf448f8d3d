import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { check } from '../src/cli/check.ts'

// What the guide says the commands print is what they print.

const guide = readFileSync(new URL('../docs/guide/getting-started.md', import.meta.url), 'utf8')
const config = /^```yaml\n([\s\S]*?)^```/m.exec(guide)?.[1] as string

const folder = mkdtempSync(join(tmpdir(), 'fairlead-guide-'))
const file = join(folder, 'fairlead.yaml')
afterAll(() => rmSync(folder, { recursive: true }))

test('check says of the file in the guide what the guide says', async () => {
  writeFileSync(file, config)
  expect(guide).toContain(`\n${(await check(file)).replace(`${folder}/`, '')}\n`)
})

test('the mistake in the guide is told as the guide shows it', async () => {
  writeFileSync(file, config.replace('backends: [127.0.0.1:4000]', 'backend: [127.0.0.1:4000]'))
  const { message } = await check(file).then(
    () => new Error('expected a mistake'),
    (error: Error) => error,
  )
  expect(guide).toContain(`\n${message.replaceAll(`${folder}/`, '')}\n`)
})
