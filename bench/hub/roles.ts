/**
 * What every peer of this bench understands. The query of the handshake says what a connection is: a `member` of the
 * one room, or a `publisher`, whose message `10 text` has `text` sent to the room ten times at once. Messages of
 * anybody else are echoed.
 */
export type Role = 'member' | 'publisher' | 'echo'

export const room = 'room'

export function roleOf(url: string): Role {
  const role = /[?&]role=(\w+)/.exec(url)?.[1]
  return role === 'member' || role === 'publisher' ? role : 'echo'
}

export interface Publication {
  readonly times: number
  readonly text: string
}

export function publicationOf(message: string): Publication {
  const space = message.indexOf(' ')
  return { times: Number(message.slice(0, space)), text: message.slice(space + 1) }
}

/** Tells the bench the port, and ends with it. */
export function serve(port: number): void {
  console.log(JSON.stringify({ port }))
  process.stdin.on('end', () => process.exit(0)).resume()
}
