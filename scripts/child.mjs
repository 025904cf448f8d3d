/** Child processes of `npm test`: bounded in time, ended as a whole, never left behind. */
import { spawn } from 'node:child_process'
import { root } from './setup.mjs'

/** @type {Set<number>} leaders of the process groups that run now */
const running = new Set()

/**
 * @typedef {object} Ended
 * @property {boolean} ok whether it ended by itself with code 0
 * @property {string} how `'code 1'`, `'SIGSEGV'`, `'no end after 900 s'`...
 * @property {string} output stdout and stderr together; empty unless captured
 */

/**
 * Runs a command in the repository, without input.
 * @param {string} command
 * @param {string[]} args
 * @param {{ timeoutSeconds: number, capture?: boolean, env?: Record<string, string> }} options
 * @returns {Promise<Ended>}
 */
export function run(command, args, options) {
  /** @type {import('node:child_process').StdioOptions} */
  const stdio = options.capture ? ['ignore', 'pipe', 'pipe'] : ['ignore', 'inherit', 'inherit']
  // A group of its own, so that what a crashed runner leaves behind can be ended with it.
  /** @type {import('node:child_process').ChildProcess} */
  const child = spawn(command, args, {
    cwd: root,
    env: { ...process.env, ...options.env },
    stdio,
    detached: true,
  })
  let output = ''
  for (const stream of [child.stdout, child.stderr]) {
    stream?.setEncoding('utf8')
    stream?.on('data', (text) => {
      output += text
    })
  }
  if (child.pid !== undefined) running.add(child.pid)
  return new Promise((done) => {
    let late = false
    let how = ''
    const deadline = setTimeout(() => {
      late = true
      endGroup(child.pid, 'SIGKILL')
    }, options.timeoutSeconds * 1000)
    const finish = () => {
      if (child.pid !== undefined) running.delete(child.pid)
      done({ ok: how === 'code 0', how: late ? `no end after ${options.timeoutSeconds} s` : how, output })
    }
    const ended = (/** @type {string} */ reason) => {
      how = reason
      clearTimeout(deadline)
      endGroup(child.pid, 'SIGKILL')
      // The last of the output. Whoever left the group may hold the pipes open, so there is a limit to it.
      const patience = setTimeout(finish, 2000)
      child.once('close', () => {
        clearTimeout(patience)
        finish()
      })
    }
    child.once('error', (error) => ended(error.message))
    child.once('exit', (code, signal) => ended(signal ?? `code ${code}`))
  })
}

/** Passes an end on to everything that runs, gives it a moment, and makes sure. */
export async function endAll() {
  const groups = [...running]
  for (const group of groups) endGroup(group, 'SIGTERM')
  await new Promise((done) => setTimeout(done, 1000))
  for (const group of groups) endGroup(group, 'SIGKILL')
}

/**
 * @param {number | undefined} group
 * @param {NodeJS.Signals} signal
 */
function endGroup(group, signal) {
  if (group === undefined) return
  try {
    process.kill(-group, signal)
  } catch {
    // Nobody of the group is left.
  }
}
