// @ts-check

/**
 * Follows clients that lost their server until each has found another, then tells it in one sentence.
 * @param {(server: string, sentence: string) => void} tell
 */
export function moves(tell) {
  /** Where each client without a server came from. @type {Map<number, string>} */
  const adrift = new Map()
  /** @type {Map<string, { left: number, since: number, landed: Map<string, number> }>} */
  const wrecks = new Map()

  /** @param {number} client @param {string} [server] where it landed, if it did */
  function settle(client, server) {
    const from = adrift.get(client)
    const wreck = wrecks.get(from ?? '')
    if (from === undefined || wreck === undefined) return
    adrift.delete(client)
    wreck.left -= 1
    if (server !== undefined) wreck.landed.set(server, (wreck.landed.get(server) ?? 0) + 1)
    if (wreck.left > 0) return
    wrecks.delete(from)
    if (wreck.landed.size > 0) tell(from, sentence(wreck))
  }

  return {
    /** @param {number} client @param {string} from */
    lost(client, from) {
      const wreck = wrecks.get(from) ?? { left: 0, since: performance.now(), landed: new Map() }
      wreck.left += 1
      wrecks.set(from, wreck)
      adrift.set(client, from)
    },
    landed: settle,
    /** @param {number} client */
    closed: (client) => settle(client),
  }
}

/** @param {{ since: number, landed: Map<string, number> }} wreck */
function sentence({ since, landed }) {
  const total = [...landed.values()].reduce((sum, count) => sum + count, 0)
  const where = [...landed].map(([server, count]) => `${count} on ${server}`).join(', ')
  const seconds = ((performance.now() - since) / 1000).toFixed(1)
  return `${total} ${total === 1 ? 'client' : 'clients'} reconnected within ${seconds} s: ${where}`
}
