import { readFileSync } from 'node:fs'
import { cpus, release } from 'node:os'
import type { Command } from './child.ts'
import { findProgram } from './runtimes.ts'

export type Role = 'proxy' | 'backend' | 'generator'

/**
 * Gives the proxy a core of its own, for whether it shares one with generator and backend decides how many messages
 * it finds at each wake-up and so what one costs, by a factor of up to two. Backend and generator share a second
 * core, or have one each from three cores up. Without `taskset`, or with one core, nothing is pinned.
 */
export function pinned(role: Role, command: Command): Command {
  const core = coreOf(role)
  const taskset = findProgram('taskset')
  if (core === null || taskset === null) return command
  return { ...command, file: taskset, args: ['-c', `${core}`, command.file, ...command.args] }
}

/** The kernel ends the process when the bench dies without a chance to do so, where `setpriv` is there to ask for it. */
export function tethered(command: Command): Command {
  const setpriv = findProgram('setpriv')
  if (setpriv === null) return command
  return { ...command, file: setpriv, args: ['--pdeathsig', 'TERM', command.file, ...command.args] }
}

/** One line for the report: system, cores, and who has which. */
export function describeMachine(names: Readonly<Record<Role, string>> = roles): string {
  const all = cpus()
  return `Linux ${release()}, ${all.length} cores (${all[0]?.model.trim() ?? 'unknown'}), ${describeCores(names)}`
}

const roles = { proxy: 'proxy', backend: 'backend', generator: 'generator' } as const

function describeCores(names: Readonly<Record<Role, string>>): string {
  if (coreOf('proxy') === null || findProgram('taskset') === null) return 'not pinned to cores'
  const on = (role: Role) => `${names[role]} on ${role === 'proxy' ? 'core ' : ''}${coreOf(role)}`
  return [on('proxy'), on('backend'), on('generator')].join(', ')
}

function coreOf(role: Role): number | null {
  const cores = allowedCores()
  if (cores.length < 2) return null
  // The first core often serves the interrupts of the machine.
  const fromTheEnd = role === 'proxy' ? 1 : role === 'backend' || cores.length === 2 ? 2 : 3
  return cores[cores.length - fromTheEnd]!
}

/** The cores this process may use: `0-3,6` means 0, 1, 2, 3 and 6. */
function allowedCores(): number[] {
  const list = /^Cpus_allowed_list:\s*(\S+)$/m.exec(readFileSync('/proc/self/status', 'latin1'))?.[1] ?? ''
  return list.split(',').flatMap((range) => {
    const [first, last = first] = range.split('-').map(Number)
    return first === undefined ? [] : Array.from({ length: last! - first + 1 }, (_, i) => first + i)
  })
}
