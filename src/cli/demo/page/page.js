// @ts-check
import { crowd, describe } from './crowd.js'
import { journal } from './journal.js'
import { moves } from './moves.js'
import { serverCard } from './server-card.js'
import { threads } from './threads.js'

/**
 * @typedef {import('./server-card.js').ServerNumbers} ServerNumbers
 * @typedef {{ at: number, runtime: string, servers: ServerNumbers[] }} Snapshot
 */

const openedAtFirst = 9
/** One chattering client speaks about this often, in milliseconds. */
const chatterPause = 600
const phrases = [
  'Ahoy!',
  'Who else is on this server?',
  'Fair winds today.',
  'Still connected.',
  'Has anybody seen client 3?',
  'Round and round it goes.',
  'I can hear you.',
  'That was quick.',
  'Passing through the ring.',
  'Just saying hello.',
]

const byId = (/** @type {string} */ id) => /** @type {HTMLElement} */ (document.getElementById(id))
const button = (/** @type {string} */ id) => /** @type {HTMLButtonElement} */ (byId(id))
const field = (/** @type {string} */ id) => /** @type {HTMLInputElement} */ (byId(id))

const lines = threads(byId('stage'), /** @type {HTMLCanvasElement} */ (byId('threads')), byId('ring'))
const log = journal(byId('journal'), byId('announcer'))
const moved = moves(log.event)
/** @type {Map<string, ReturnType<typeof serverCard>>} */
const cards = new Map()

const clients = crowd(byId('dots'), {
  landed({ client, dot }) {
    lines.detach(client.number)
    const card = cards.get(client.server)
    if (card !== undefined) {
      lines.attach(client.number, dot, card)
      moved.landed(client.number, client.server)
    }
    showSeats()
  },
  lost: ({ number }, server) => moved.lost(number, server),
  heard(client, chat) {
    lines.pulse(client.number, false)
    // Everybody on a server hears the same: its first client tells.
    if (client === membersOn(chat.server)[0]?.client) log.chat(chat)
  },
  left({ number }) {
    lines.detach(number)
    moved.closed(number)
    showSeats()
  },
  changed: showCrowd,
})

/** @param {string} server */
function membersOn(server) {
  return [...clients.members.values()].filter(({ client }) => client.server === server)
}

function showSeats() {
  for (const [name, card] of cards) card.seat(membersOn(name).length)
}

function showCrowd() {
  const { size } = clients.members
  byId('client-count').textContent = String(size)
  for (const id of ['close-one', 'close-all']) button(id).disabled = size === 0
  for (const id of ['open-1', 'open-10']) button(id).disabled = clients.isFull()
  const speaker = clients.speaker()
  button('say-send').disabled = speaker?.state !== 'open'
  const label = speaker === undefined ? 'Open a client to talk' : `Say something as ${describe(speaker)}`
  byId('say-label').textContent = label
  lines.measure()
}

// --- talk ----------------------------------------------------------------------------------------------

/** @param {import('./client.js').Client} client @param {string} text */
function say(client, text) {
  client.say(text)
  lines.pulse(client.number, true)
}

function chatter() {
  const connected = [...clients.members.values()].filter(({ client }) => client.state === 'open')
  const one = connected[Math.floor(Math.random() * connected.length)]
  const phrase = phrases[Math.floor(Math.random() * phrases.length)]
  if (field('chatter').checked && one && phrase) say(one.client, phrase)
  // Everybody on a server hears each message, so the work grows with the square of the crowd: each speaks less.
  const pause = chatterPause / Math.sqrt(Math.max(1, connected.length))
  setTimeout(chatter, pause * (0.5 + Math.random()))
}

async function sendRequests() {
  const one = async () => (await fetch('/chat', { cache: 'no-store' })).text()
  const answers = await Promise.allSettled(Array.from({ length: 10 }, one))
  /** @type {Map<string, number>} */
  const count = new Map()
  for (const answer of answers) {
    const text = answer.status === 'fulfilled' ? answer.value : ''
    const server = [...cards.keys()].find((name) => text.includes(name)) ?? 'nobody'
    count.set(server, (count.get(server) ?? 0) + 1)
  }
  const where = [...count].sort(([a], [b]) => a.localeCompare(b)).map(([name, n]) => `${n} by ${name}`)
  log.event('', `10 HTTP requests answered: ${where.join(', ')}`)
}

// --- servers and numbers -------------------------------------------------------------------------------

/** The last snapshots, newest last: rates are taken over about a second. @type {Snapshot[]} */
const snapshots = []
const rateWindow = 950

/** @param {Snapshot} now */
function show(now) {
  byId('lost').hidden = true
  byId('runtime').textContent = now.runtime
  byId('runtime').hidden = false
  for (const numbers of now.servers) showServer(numbers)
  const total = now.servers.reduce((sum, { connections }) => sum + connections, 0)
  byId('total-connections').textContent = total.toLocaleString('en')
  // Snapshots also come between two beats, when something changed; they would crowd the sparklines.
  if (now.at - (snapshots.at(-1)?.at ?? 0) >= 400) showRates(now)
}

/** @param {ServerNumbers} numbers */
function showServer(numbers) {
  const card = cards.get(numbers.name) ?? addCard(numbers.name)
  const earlier = card.element.dataset.state
  card.show(numbers)
  if (earlier === undefined || earlier === numbers.state) return
  if (numbers.state === 'stopped') log.event(numbers.name, 'was killed')
  if (numbers.state === 'running') log.event(numbers.name, 'is back and takes its share of new connections')
}

/** @param {string} name */
function addCard(name) {
  const template = /** @type {HTMLTemplateElement} */ (byId('server-template'))
  const card = serverCard(template, name, (action) => control(name, action))
  cards.set(name, card)
  byId('servers').append(card.element)
  lines.measure()
  return card
}

/** @param {Snapshot} now */
function showRates(now) {
  snapshots.push(now)
  while (now.at - (snapshots[1]?.at ?? now.at) >= rateWindow) snapshots.shift()
  const before = /** @type {Snapshot} */ (snapshots[0])
  const seconds = Math.max(0.001, (now.at - before.at) / 1000)
  const messages = (/** @type {ServerNumbers | undefined} */ server) =>
    (server?.messagesFromClients ?? 0) + (server?.messagesFromBackends ?? 0)
  const rates = now.servers.map((server, i) => (messages(server) - messages(before.servers[i])) / seconds)
  const shown = [...cards.values()]
  const top = Math.max(10, ...rates, ...shown.map(({ spark }) => spark.peak()))
  for (const [i, card] of shown.entries()) card.tick(rates[i] ?? 0, top)
  const total = rates.reduce((sum, rate) => sum + rate, 0)
  byId('total-rate').textContent = Math.round(total).toLocaleString('en')
}

/** @param {string} name @param {'start' | 'stop'} action */
async function control(name, action) {
  try {
    const answer = await fetch(`/api/servers/${name.toLowerCase()}/${action}`, { method: 'POST' })
    if (!answer.ok) log.event(name, (await answer.text()).trim())
  } catch {
    log.event(name, 'the demo did not answer')
  }
}

function listen() {
  const source = new EventSource('/api/events')
  source.onmessage = ({ data }) => {
    show(JSON.parse(data))
    if (clients.members.size === 0 && openAtFirst > 0) clients.open(openAtFirst)
    openAtFirst = 0
  }
  source.onerror = () => {
    byId('lost').hidden = false
    // After an answer other than 200 the browser does not try again by itself.
    if (source.readyState === EventSource.CLOSED) setTimeout(listen, 1000)
  }
}

// --- wiring --------------------------------------------------------------------------------------------

button('open-1').addEventListener('click', () => clients.open(1))
button('open-10').addEventListener('click', () => clients.open(10))
button('close-one').addEventListener('click', () => clients.closeSelected())
button('close-all').addEventListener('click', () => {
  for (const { client } of [...clients.members.values()]) clients.close(client)
})
button('http-10').addEventListener('click', sendRequests)
byId('say').addEventListener('submit', (event) => {
  event.preventDefault()
  const client = clients.speaker()
  const text = field('say-text').value.trim()
  if (client?.state !== 'open' || text === '') return
  say(client, text)
  field('say-text').value = ''
})

byId('gateway-address').textContent = location.host
byId('command-http').textContent = `curl ${location.origin}/chat`
byId('command-websocket').textContent = `npx wscat -c ${location.origin.replace('http', 'ws')}/chat`

/** How many clients to open with the first numbers; `/?clients=0` begins with none. */
let openAtFirst = Number(new URLSearchParams(location.search).get('clients') ?? openedAtFirst)
showCrowd()
listen()
chatter()
