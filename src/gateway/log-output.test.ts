import { spawn } from 'node:child_process'
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import { FileLogOutput } from './log-output.ts'

const folder = mkdtempSync(join(tmpdir(), 'fairlead-log-'))
afterAll(() => rmSync(folder, { recursive: true }))

const onDropped = (lines: number) => `dropped ${lines}\n`

function open(name: string) {
  const path = join(folder, name)
  return { fd: openSync(path, 'w'), read: () => readFileSync(path, 'utf8') }
}

describe('FileLogOutput', () => {
  test('lines arrive whole and in order, across many batches', async () => {
    const { fd, read } = open('order')
    const output = new FileLogOutput(fd, { delay: 1, onDropped })
    const lines = Array.from({ length: 20_000 }, (_, index) => `line ${index} ü\n`)
    for (const line of lines) output.write(line)
    await output.flush()
    expect(read()).toBe(lines.join(''))
    closeSync(fd)
  })

  test('nothing written means flush resolves at once', async () => {
    const { fd, read } = open('empty')
    await new FileLogOutput(fd, { delay: 1, onDropped }).flush()
    expect(read()).toBe('')
    closeSync(fd)
  })

  test('what does not fit is dropped, and how much is told', async () => {
    const { fd, read } = open('drop')
    const output = new FileLogOutput(fd, { delay: 1, limit: 10, onDropped })
    for (const line of ['12345\n', '678\n', 'too much\n', 'more\n']) output.write(line)
    await output.flush()
    expect(read()).toBe('12345\n678\ndropped 2\n')
    closeSync(fd)
  })

  test('flushSync writes what is left', () => {
    const { fd, read } = open('sync')
    const output = new FileLogOutput(fd, { delay: 60_000, onDropped })
    output.write('last words\n')
    output.flushSync()
    expect(read()).toBe('last words\n')
    closeSync(fd)
  })

  test('a descriptor that is gone loses lines and nothing else', async () => {
    const { fd } = open('gone')
    closeSync(fd)
    const output = new FileLogOutput(fd, { delay: 1, onDropped })
    output.write('nobody hears\n')
    await output.flush()
    output.write('nor this\n')
    output.flushSync()
    await output.flush()
  })
})

test('a reader that goes away does not end the process that logs', async () => {
  const source = `
    import { FileLogOutput } from ${JSON.stringify(new URL('./log-output.ts', import.meta.url).href)}
    const output = new FileLogOutput(1, { delay: 0, onDropped: String })
    output.write('first\\n')
    process.stdin.once('data', async () => {
      for (let i = 0; i < 10; i++) { output.write('x'.repeat(100000) + '\\n'); await output.flush() }
      process.exit(7)
    })`
  const path = join(folder, 'writer.mjs')
  writeFileSync(path, source)
  const child = spawn(process.execPath, [path], { stdio: ['pipe', 'pipe', 'inherit'] })
  const exited = new Promise((resolve) => child.once('exit', resolve))
  await new Promise((resolve) => child.stdout.once('data', resolve))
  const closed = new Promise((resolve) => child.stdout.once('close', resolve))
  child.stdout.destroy()
  await closed
  child.stdin.write('go\n')
  expect(await exited).toBe(7)
}, 20_000)
