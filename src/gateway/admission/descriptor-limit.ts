import { readFileSync, statSync } from 'node:fs'

/**
 * File descriptors this process may have open (the soft RLIMIT_NOFILE); Infinity where there is no limit or no way
 * to know it.
 */
export function descriptorLimit(): number {
  return linuxLimit() ?? reportedLimit() ?? Number.POSITIVE_INFINITY
}

/** Descriptors open at this moment; null where that cannot be asked without counting them (Linux before 6.2). */
export function openDescriptors(): number | null {
  try {
    return statSync('/proc/self/fd').size || null
  } catch {
    return null
  }
}

function linuxLimit(): number | null {
  try {
    const match = /^Max open files\s+(\S+)/m.exec(readFileSync('/proc/self/limits', 'latin1'))
    return match === null ? null : numberOf(match[1])
  } catch {
    return null
  }
}

/** What Node reports about its process on other systems. */
function reportedLimit(): number | null {
  try {
    const report = process.report.getReport() as {
      readonly userLimits?: { readonly open_files?: { readonly soft?: unknown } }
    }
    return numberOf(report.userLimits?.open_files?.soft)
  } catch {
    return null
  }
}

function numberOf(value: unknown): number | null {
  if (value === 'unlimited') return Number.POSITIVE_INFINITY
  const limit = Number(value)
  return Number.isInteger(limit) && limit > 0 ? limit : null
}
