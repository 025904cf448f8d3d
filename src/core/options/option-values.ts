import { z } from 'zod'
import { type Duration, parseDuration, parseSize, type Size } from '../units.ts'

/** A length of time with its unit, read as milliseconds; at most what a timer can wait. */
function durationText() {
  const message =
    "expected a duration with its unit, such as '250ms', '5s' or '2m', above 0 and at most '24d'"
  return z.string(message).transform((text, context) => {
    const value = parseDuration(text)
    if (value !== undefined && value > 0 && value <= 2 ** 31 - 1) return value
    context.addIssue({ code: 'custom', message })
    return z.NEVER
  })
}

/** A field with a length of time and a default. */
export function duration(fallback: Duration, about: string) {
  return durationText()
    .prefault(fallback)
    .meta({ description: about, default: fallback, examples: [fallback] })
}

/** A field with a length of time that may be left out. */
export function optionalDuration(about: string) {
  return durationText().optional().meta({ description: about, pattern: '^\\d+(\\.\\d+)?(ms|s|m|h|d)$' })
}

/** A field with a number of bytes and a default. */
export function size(fallback: Size, least: number, most: number, about: string) {
  const message = `expected a size with its unit, such as '64KiB', from ${least}B to ${most}B`
  return z
    .string(message)
    .transform((text, context) => {
      const value = parseSize(text)
      if (value !== undefined && value >= least && value <= most) return value
      context.addIssue({ code: 'custom', message })
      return z.NEVER
    })
    .prefault(fallback)
    .meta({ description: about, default: fallback, examples: [fallback] })
}
