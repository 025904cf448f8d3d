#!/usr/bin/env node
import { FairleadError } from '../core/errors.ts'
import { program } from './program.ts'
import { say } from './stderr.ts'

/** The user's mistakes: config, flags, a busy port. Nothing stays open and there is no stack trace. */
const mistakeCode = 1
/** Our own mistakes: EX_SOFTWARE of sysexits.h. */
const bugCode = 70

// Whoever reads the output may leave early (`fairlead schema | head`); the log has an output of its own.
process.stdout.on('error', () => {})

try {
  await program((code) => process.exit(code)).parseAsync()
} catch (error) {
  if (error instanceof FairleadError && error.source !== 'internal') {
    say(error.message)
    process.exit(mistakeCode)
  }
  say(`fairlead failed, which is a bug: please report it.\n${error instanceof Error ? error.stack : error}`)
  process.exit(bugCode)
}
