import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { describe, expect, test } from 'vitest'
import { Emitter } from './emitter.ts'

interface Events {
  'backend.ejected': { readonly backend: string }
  'tunnel.closed': number
}

describe('Emitter', () => {
  test('tells every listener of an event, in the order in which they came', () => {
    const emitter = new Emitter<Events>()
    const seen: unknown[] = []
    emitter.on('backend.ejected', ({ backend }) => seen.push(`first ${backend}`))
    emitter.on('backend.ejected', ({ backend }) => seen.push(`second ${backend}`))
    emitter.on('tunnel.closed', (code) => seen.push(code))
    emitter.emit('backend.ejected', { backend: 'b1' })
    emitter.emit('tunnel.closed', 1000)
    expect(seen).toEqual(['first b1', 'second b1', 1000])
  })

  test('tells whether anybody listens', () => {
    const emitter = new Emitter<Events>()
    expect(emitter.listens('tunnel.closed')).toBe(false)
    const off = emitter.on('tunnel.closed', () => {})
    expect([emitter.listens('tunnel.closed'), emitter.listens('backend.ejected')]).toEqual([true, false])
    off()
    expect(emitter.listens('tunnel.closed')).toBe(false)
  })

  test('emits to nobody without harm', () => {
    new Emitter<Events>().emit('tunnel.closed', 1000)
  })

  test('forgets a listener once, however often it is told to', () => {
    const emitter = new Emitter<Events>()
    const seen: number[] = []
    const listener = (code: number): void => {
      seen.push(code)
    }
    const off = emitter.on('tunnel.closed', listener)
    emitter.on('tunnel.closed', listener)
    off()
    off()
    emitter.emit('tunnel.closed', 1)
    expect(seen).toEqual([1])
  })

  test('a listener that leaves or comes meanwhile does not disturb the others', () => {
    const emitter = new Emitter<Events>()
    const seen: string[] = []
    const off = emitter.on('tunnel.closed', () => {
      seen.push('leaves')
      off()
      emitter.on('tunnel.closed', () => seen.push('came'))
    })
    emitter.on('tunnel.closed', () => seen.push('stays'))
    emitter.emit('tunnel.closed', 1)
    expect(seen).toEqual(['leaves', 'stays'])
    emitter.emit('tunnel.closed', 2)
    expect(seen).toEqual(['leaves', 'stays', 'stays', 'came'])
  })

  test('what a listener throws is reported and keeps nobody else from the event', () => {
    const errors: unknown[] = []
    const emitter = new Emitter<Events>((error) => errors.push(error))
    const seen: number[] = []
    emitter.on('tunnel.closed', () => {
      throw new Error('broken listener')
    })
    emitter.on('tunnel.closed', (code) => seen.push(code))
    emitter.emit('tunnel.closed', 7)
    expect(seen).toEqual([7])
    expect(errors).toEqual([new Error('broken listener')])
  })

  test('without a handler of errors it is thrown again, after the work at hand', async () => {
    const script = `
      const { Emitter } = await import(${JSON.stringify(new URL('./emitter.ts', import.meta.url).href)})
      process.on('uncaughtException', (error) => console.log('uncaught', error.message))
      const emitter = new Emitter()
      emitter.on('x', () => { throw new Error('broken listener') })
      emitter.on('x', () => console.log('told'))
      emitter.emit('x')
      console.log('went on')`
    const { stdout } = await promisify(execFile)(process.execPath, ['--input-type=module', '-e', script])
    expect(stdout.trim().split('\n')).toEqual(['told', 'went on', 'uncaught broken listener'])
  }, 20_000)
})
