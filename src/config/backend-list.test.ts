import { expect, test } from 'vitest'
import { parseBackendList } from './backend-list.ts'

function messageOf(text: string): string {
  try {
    parseBackendList('list.yaml', text)
  } catch (error) {
    return (error as Error).message
  }
  throw new Error('nothing was found wrong with it')
}

test('of a file that is something else altogether the first mistakes are told, however many there are', () => {
  for (const line of ['- a: b: 1', '- *nobody']) {
    const message = messageOf(Array.from({ length: 2000 }, () => line).join('\n'))
    expect(message.match(/^list\.yaml:\d+:\d+: found/gm)).toHaveLength(20)
  }
})

test('a list as JSON is read as one as YAML is, mistakes included', () => {
  const list = [{ address: '127.0.0.1:80', weight: 1 }]
  expect(parseBackendList('list.json', '["127.0.0.1:80"]')).toEqual(list)
  expect(parseBackendList('list.yaml', '- 127.0.0.1:80')).toEqual(list)
  expect(messageOf('[\n  "127.0.0.1"\n]')).toContain(
    'list.yaml:2:3: [0]: found "127.0.0.1", expected host:port',
  )
})
