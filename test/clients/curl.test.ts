import { execFile } from 'node:child_process'
import { truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { Site } from './support/site.ts'

// curl through the command as users start it.

const site = new Site()
const megabyte = 1024 * 1024
let url: string

beforeAll(async () => {
  const services = await site.services('a')
  url = `http://127.0.0.1:${(await site.proxy(services)).port}`
})
afterAll(() => site.remove())

/** Standard output of curl. Rejects when it fails. */
function curl(...args: string[]): Promise<string> {
  return new Promise((resolve, reject) => {
    const options = { maxBuffer: megabyte, timeout: 15_000 }
    execFile(
      'curl',
      ['--silent', '--show-error', '--noproxy', '*', ...args],
      options,
      (error, stdout, stderr) => {
        if (error) reject(new Error(`${error.message}\n${stderr}`))
        else resolve(stdout)
      },
    )
  })
}

/** A file of so many bytes that takes no room. */
function sparseFile(name: string, length: number): string {
  const file = join(site.folder, name)
  writeFileSync(file, '')
  truncateSync(file, length)
  return file
}

test('GET and HEAD', async () => {
  expect(await curl(`${url}/name`)).toBe('a')
  const head = await curl('--head', `${url}/bytes?1000000`)
  expect(head).toMatch(/^HTTP\/1\.1 200 OK\r\n/)
  expect(head).toMatch(/\r\ncontent-length: 1000000\r\n/i)
})

test('POST', async () => {
  expect(await curl('--data', 'some words', `${url}/count`)).toBe('POST 10 false')
  expect(await curl('--data', '', `${url}/count`)).toBe('POST 0 true')
})

test('--http1.0', async () => {
  expect(await curl('--http1.0', `${url}/name`)).toBe('a')
  expect(await curl('--http1.0', '--data', 'abc', `${url}/count`)).toBe('POST 3 false')
})

test('Expect: 100-continue is answered before the body is sent', async () => {
  const output = await curl(
    '--verbose',
    '--stderr',
    '-',
    '-H',
    'Expect: 100-continue',
    '--expect100-timeout',
    '14',
    '--data',
    'abc',
    `${url}/count`,
  )
  expect(output).toMatch(/HTTP\/1\.1 100 Continue/)
  expect(output).toMatch(/POST 3 false/)
})

test('one connection serves several requests', async () => {
  const each = ['--output', '/dev/null', `${url}/name`]
  const counted = await curl(...each, ...each, ...each, '--write-out', '%{num_connects} ')
  expect(counted).toBe('1 0 0 ')
})

test('100 MB up, with a length and in chunks, and 100 MB down', async () => {
  const file = sparseFile('zeros', 100 * megabyte)
  expect(await curl('--upload-file', file, `${url}/count`)).toBe(`PUT ${100 * megabyte} false`)
  const chunked = ['--upload-file', file, '-H', 'Transfer-Encoding: chunked']
  expect(await curl(...chunked, `${url}/count`)).toBe(`PUT ${100 * megabyte} false`)
  const down = ['--output', '/dev/null', '--write-out', '%{http_code} %{size_download}']
  expect(await curl(...down, `${url}/bytes?${100 * megabyte}`)).toBe(`200 ${100 * megabyte}`)
})
