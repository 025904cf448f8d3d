// @ts-check
import { Client } from './client.js'

const mostClients = 100
/** Browsers open WebSockets to one address one after the other; a small step lets each be seen. */
const openingStep = 40

/**
 * @typedef {{ client: Client, dot: HTMLElement, on: string }} Member `on`: the server its thread leads to
 * @typedef {object} CrowdEvents
 * @property {(member: Member) => void} landed on another server, or on none
 * @property {(client: Client, server: string) => void} lost
 * @property {(client: Client, chat: import('./client.js').Chat) => void} heard
 * @property {(client: Client) => void} left
 * @property {() => void} changed how many there are, who is selected, or the selected one's state
 */

/**
 * The clients of this page, each with its dot: a radio button, so that one of them is chosen to speak.
 * @param {HTMLElement} dots
 * @param {CrowdEvents} events
 */
export function crowd(dots, events) {
  /** @type {Map<number, Member>} */
  const members = new Map()
  let lastNumber = 0
  let selected = 0

  const clientEvents = {
    /** @param {Client} client */
    changed(client) {
      const member = members.get(client.number)
      if (member === undefined) return
      showState(member)
      if (client.server !== member.on) {
        member.on = client.server
        events.landed(member)
      }
      if (client.number === selected) events.changed()
    },
    lost: events.lost,
    heard: events.heard,
  }

  /** @param {number} number */
  function select(number) {
    selected = number
    const input = members.get(number)?.dot.querySelector('input')
    if (input) input.checked = true
    events.changed()
  }

  function open() {
    if (members.size >= mostClients) return
    lastNumber += 1
    const number = lastNumber
    const client = new Client(number, clientEvents)
    const dot = radioDot(number, () => select(number))
    dots.append(dot)
    members.set(number, { client, dot, on: '' })
    client.connect()
    if (members.size === 1) select(number)
    events.changed()
  }

  return {
    members,
    /** The chosen one. */
    speaker: () => members.get(selected)?.client,
    isFull: () => members.size >= mostClients,

    /** @param {number} count */
    open(count) {
      for (let i = 0; i < Math.min(count, mostClients); i += 1) setTimeout(open, i * openingStep)
    },

    closeSelected() {
      const member = members.get(selected)
      if (member === undefined) return
      this.close(member.client)
      select([...members.keys()].at(-1) ?? 0)
    },

    /** @param {Client} client */
    close(client) {
      const member = members.get(client.number)
      if (member === undefined) return
      members.delete(client.number)
      client.close()
      member.dot.remove()
      events.left(client)
      events.changed()
    },
  }
}

/**
 * @param {number} number
 * @param {() => void} onChosen
 */
function radioDot(number, onChosen) {
  const dot = document.createElement('label')
  dot.className = 'dot'
  const input = document.createElement('input')
  input.type = 'radio'
  input.name = 'speaker'
  input.addEventListener('change', onChosen)
  const label = document.createElement('span')
  label.textContent = String(number)
  dot.append(input, label)
  return dot
}

/** @param {Member} member */
function showState({ client, dot }) {
  dot.dataset.state = client.state
  dot.dataset.server = client.server.toLowerCase()
  dot.title = describe(client)
  dot.querySelector('input')?.setAttribute('aria-label', describe(client))
}

/** @param {Client} client */
export function describe({ name, state, server }) {
  if (state === 'open') return `${name} on ${server}`
  return state === 'waiting' ? `${name}, connection lost` : `${name}, connecting`
}
