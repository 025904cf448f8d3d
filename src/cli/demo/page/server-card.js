// @ts-check
import { sparkline } from './sparkline.js'

/**
 * @typedef {object} ServerNumbers One server, as the demo reports it. Counters only grow.
 * @property {string} name
 * @property {'starting' | 'running' | 'stopped'} state
 * @property {number} pid
 * @property {string} address
 * @property {number} connections
 * @property {number} connectFailures
 * @property {number} messagesFromClients
 * @property {number} messagesFromBackends
 */

const mostSeats = 60

/**
 * The card of one server.
 * @param {HTMLTemplateElement} template
 * @param {string} name
 * @param {(action: 'start' | 'stop') => Promise<void>} control
 */
export function serverCard(template, name, control) {
  const element = /** @type {HTMLElement} */ (template.content.firstElementChild?.cloneNode(true))
  const part = (/** @type {string} */ selector) =>
    /** @type {HTMLElement} */ (element.querySelector(selector))
  const spark = sparkline(/** @type {SVGSVGElement} */ (element.querySelector('.spark')))
  const seats = part('.seats')
  const power = /** @type {HTMLButtonElement} */ (part('.power'))

  element.dataset.server = name.toLowerCase()
  part('.name').textContent = name
  power.addEventListener('click', async () => {
    power.disabled = true
    await control(element.dataset.state === 'running' ? 'stop' : 'start')
    power.disabled = false
  })

  return {
    element,
    spark,

    /** @param {ServerNumbers} numbers */
    show({ state, pid, address, connections, connectFailures }) {
      element.dataset.state = state
      const missed = connectFailures === 0 ? 'down' : `down, refused ${connectFailures.toLocaleString('en')}×`
      part('.where').textContent = `${address} · ${state === 'stopped' ? missed : `pid ${pid}`}`
      part('.count strong').textContent = connections.toLocaleString('en')
      part('.count span').textContent = connections === 1 ? 'connection' : 'connections'
      power.textContent = state === 'running' ? 'Kill' : state === 'starting' ? 'Starting' : 'Start'
      power.setAttribute('aria-label', `${power.textContent} ${name}`)
    },

    /** Where its threads end. */
    colour: () => getComputedStyle(part('.name')).color,

    /**
     * @param {number} rate messages per second, both directions
     * @param {number} top
     */
    tick(rate, top) {
      spark.push(rate, top)
      part('.rate strong').textContent = Math.round(rate).toLocaleString('en')
    },

    /** @param {number} count this page's clients that have landed here */
    seat(count) {
      const shown = Math.min(count, mostSeats)
      while (seats.childElementCount > shown) seats.lastElementChild?.remove()
      while (seats.childElementCount < shown) seats.append(document.createElement('i'))
    },
  }
}
