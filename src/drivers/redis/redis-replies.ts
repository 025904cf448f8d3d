/** What servers say of themselves, and of nothing that they were sent. */
const harmless = [
  'max number of clients reached',
  'DB index is out of range',
  'AUTH <password> called without any password configured',
]

/** Up to 6.2 the code of what failed inside a script stands behind where it failed. */
const inScript = /^ERR Error running script .*?@user_script: ?\d+: -([A-Z]+)\b/

/** The code that a server's error begins with. */
export function codeOfReply(text: string): string {
  return (inScript.exec(text) ?? /^([A-Z]{1,32})\b/.exec(text))?.[1] ?? 'an error'
}

/**
 * What may be said of a server's error: its code, and for a few what it means. Never the text itself, which may repeat
 * what the server was sent: a server without HELLO answers with the password.
 */
export function textOfReply(text: string): string {
  const command = /^ERR unknown (?:sub)?command ['`]?([A-Za-z|]{1,32})['`]?(?:,|$)/.exec(text)?.[1]
  if (command !== undefined) return `ERR: the server does not know ${command.toUpperCase()}`
  const known = harmless.find((each) => text.startsWith(`ERR ${each}`))
  return known === undefined ? codeOfReply(text) : `ERR ${known}`
}
