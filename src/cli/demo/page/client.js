// @ts-check

/** Waits between attempts to connect: random up to twice as long each time, so that clients do not return in step. */
const shortestWait = 600
const longestWait = 5000

/**
 * @typedef {'connecting' | 'open' | 'waiting' | 'closed'} ClientState
 * @typedef {{ type: 'chat', server: string, from: string, text: string }} Chat
 * @typedef {object} ClientEvents
 * @property {(client: Client) => void} changed its state or its server has changed
 * @property {(client: Client, server: string) => void} lost its connection to this server broke
 * @property {(client: Client, chat: Chat) => void} heard
 */

/** One chat client: a WebSocket that comes back by itself when it breaks. */
export class Client {
  /** @type {ClientState} */
  state = 'connecting'
  /** The server it is on; empty when it is on none. */
  server = ''
  #attempts = 0
  #timer = 0
  /** @type {WebSocket | undefined} */
  #socket
  #events

  /**
   * @param {number} number
   * @param {ClientEvents} events
   */
  constructor(number, events) {
    this.number = number
    this.name = `client ${number}`
    this.#events = events
  }

  connect() {
    const url = new URL(`/chat?name=${encodeURIComponent(this.name)}`, location.href)
    url.protocol = url.protocol.replace('http', 'ws')
    const socket = new WebSocket(url)
    this.#socket = socket
    this.#become('connecting')
    socket.onmessage = ({ data }) => this.#receive(JSON.parse(data))
    socket.onclose = () => this.#broken()
  }

  /** @param {string} text */
  say(text) {
    if (this.state === 'open') this.#socket?.send(text)
  }

  close() {
    clearTimeout(this.#timer)
    if (this.#socket !== undefined) {
      this.#socket.onclose = null
      this.#socket.onmessage = null
      this.#socket.close(1000)
    }
    this.server = ''
    this.#become('closed')
  }

  /** @param {Chat | { type: 'welcome', server: string }} message */
  #receive(message) {
    if (message.type === 'chat') {
      this.#events.heard(this, message)
      return
    }
    this.#attempts = 0
    this.server = message.server
    this.#become('open')
  }

  #broken() {
    const { server } = this
    this.server = ''
    const limit = Math.min(longestWait, shortestWait * 2 ** this.#attempts)
    this.#attempts += 1
    this.#timer = setTimeout(() => this.connect(), Math.random() * limit)
    this.#become('waiting')
    if (server !== '') this.#events.lost(this, server)
  }

  /** @param {ClientState} state */
  #become(state) {
    this.state = state
    this.#events.changed(this)
  }
}
