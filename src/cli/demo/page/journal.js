// @ts-check

const mostLines = 60
/** Chat lines shown at most for each frame; more would only flicker. */
const linesPerFrame = 3

/**
 * What was heard and what happened, newest first.
 * @param {HTMLElement} list
 * @param {HTMLElement} announcer read aloud by screen readers: what happened, not what was said
 */
export function journal(list, announcer) {
  /** @type {HTMLElement[]} */
  let fresh = []
  let scheduled = false

  /** @param {HTMLElement} item */
  function add(item) {
    const chats = fresh.filter(({ className }) => className === 'chat')
    if (item.className === 'chat' && chats.length === linesPerFrame) return
    fresh.push(item)
    if (scheduled) return
    scheduled = true
    requestAnimationFrame(() => {
      scheduled = false
      list.prepend(...fresh.reverse())
      fresh = []
      while (list.childElementCount > mostLines) list.lastElementChild?.remove()
    })
  }

  return {
    /** @param {{ server: string, from: string, text: string }} chat */
    chat({ server, from, text }) {
      const item = line('chat', server, text)
      const who = document.createElement('span')
      who.className = 'from'
      who.textContent = from
      item.querySelector('.tag')?.after(who)
      add(item)
    },

    /**
     * @param {string} server empty when it is about no single server
     * @param {string} text
     */
    event(server, text) {
      add(line('event', server, text))
      announcer.textContent = server === '' ? text : `${server}: ${text}`
    },
  }
}

/**
 * @param {string} kind
 * @param {string} server
 * @param {string} text
 */
function line(kind, server, text) {
  const item = document.createElement('li')
  item.className = kind
  if (server !== '') {
    item.dataset.server = server.toLowerCase()
    const tag = document.createElement('span')
    tag.className = 'tag'
    tag.textContent = server
    item.append(tag)
  }
  const said = document.createElement('span')
  said.className = 'text'
  said.textContent = text
  item.append(said)
  return item
}
