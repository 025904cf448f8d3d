/** Turns of the event loop without a new connection after which the listen queue is taken for empty. */
const quietTurns = 3

/** So many turns are enough, however many still come: a busy listener never has a quiet one. */
const mostTurns = 1000

/**
 * Resolves when the connections that wait in the listen queue have been accepted: closing a listener resets them,
 * although their clients have been told that they are connected. Node accepts one for each turn of its event loop.
 * @param accepted how many were accepted so far
 * @param nextTurn resolves after a turn of the event loop
 */
export async function acceptQueueEmpty(accepted: () => number, nextTurn: () => Promise<void>): Promise<void> {
  let before = accepted()
  let quiet = 0
  for (let turn = 0; turn < mostTurns && quiet < quietTurns; turn++) {
    await nextTurn()
    const now = accepted()
    quiet = now === before ? quiet + 1 : 0
    before = now
  }
}
