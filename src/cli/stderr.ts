import { writeSync } from 'node:fs'

/**
 * Says something to the person who started the command. Standard output is for the log and for results.
 * Written at once: what is said last must not get lost when the process ends.
 */
export function say(text: string): void {
  try {
    writeSync(2, `${text}\n`)
  } catch {
    // Nobody is listening (EPIPE), or not fast enough (EAGAIN): no reason to stop serving.
  }
}
