interface Line {
  readonly level: string
  readonly time: string
  readonly msg: string
  readonly [field: string]: unknown
}

const colors: Readonly<Record<string, string>> = {
  debug: '\u001b[36m',
  info: '\u001b[32m',
  warn: '\u001b[33m',
  error: '\u001b[31m',
}
const dim = '\u001b[2m'
const reset = '\u001b[0m'

/** Fields of the JSON line that have their own place in the pretty one, or none. */
const placed = new Set(['level', 'time', 'msg', 'event'])

/** What people look for first in an access line: shown as words of the message, without their names. */
const spoken: Readonly<Record<string, readonly string[]>> = {
  'request.completed': ['method', 'host', 'path', 'status'],
  'tunnel.opened': ['host', 'path', 'backend'],
  'tunnel.closed': ['backend', 'closeCode'],
}

/** Turns one JSON log line into one for people: local time, level, message, `key=value`; a stack goes below. */
export function prettyLog(json: string, colored: boolean): string {
  const line = JSON.parse(json) as Line
  const paint = (color: string | undefined, text: string) =>
    colored && color !== undefined ? `${color}${text}${reset}` : text
  const { err, error } = line
  const below = [err, error].filter((value) => typeof value === 'object' && value !== null)
  const words = (spoken[String(line.event)] ?? []).filter((key) => line[key] !== undefined)
  const fields = Object.entries(line)
    .filter(([key, value]) => !placed.has(key) && !words.includes(key) && !below.includes(value as object))
    .map(([key, value]) => `${key}=${show(value)}`)
  const parts = [
    paint(dim, clock(line.time)),
    paint(colors[line.level], line.level.toUpperCase().padEnd(5)),
    [printable(line.msg), ...words.map((key) => show(line[key]))].join(' '),
    ...(fields.length > 0 ? [paint(dim, fields.join(' '))] : []),
  ]
  return `${parts.join(' ')}\n${below.map((value) => showError(value as object)).join('')}`
}

function clock(time: string): string {
  const date = new Date(time)
  const digits = (value: number, width = 2) => String(value).padStart(width, '0')
  return `${digits(date.getHours())}:${digits(date.getMinutes())}:${digits(date.getSeconds())}.${digits(date.getMilliseconds(), 3)}`
}

function show(value: unknown): string {
  if (typeof value === 'string' && /^[^\s"=]+$/.test(value)) return printable(value)
  return printable(JSON.stringify(value))
}

function showError(error: object): string {
  const { code, message, stack } = error as { code?: string; message?: string; stack?: string }
  const text = stack ?? [code, message].filter(Boolean).join(': ')
  return text
    .split('\n')
    .map((row) => `      ${printable(row)}\n`)
    .join('')
}

/** Peers choose some of these characters: none may steer the terminal. */
function printable(text: string): string {
  return text.replace(
    // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is sought here
    /[\u0000-\u001f\u007f-\u009f\u2028\u2029\u202a-\u202e\u2066-\u2069]/g,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  )
}
